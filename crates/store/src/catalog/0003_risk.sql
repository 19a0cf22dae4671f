-- What is known of one client, account or network, whatever the rule: its risk adds up.
CREATE INDEX findings_about ON findings (tenant, entity_value, end_ts);
