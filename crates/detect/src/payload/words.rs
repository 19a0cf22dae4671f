//! Words of SQL and the roles they play.
//!
//! From the keyword and function lists of the manuals of MySQL 8, PostgreSQL 17, SQL Server,
//! Oracle and SQLite. A word that is also an English word is in another class than one that is
//! not, since only the second means something alone.

use super::token::Token;
use ahash::AHashMap;
use std::sync::LazyLock;

const WORDS: &[(Token, &str)] = &[
    (
        Token::Stop,
        "the a an of to for with my your it its this that these those are was were be been will would can could should have \
         has had do does i you he she we they his her our their at up out off about over than so too very just but \
         because what which who how some few more most no yes please",
    ),
    (Token::And, "and"),
    (Token::Or, "or"),
    (Token::Xor, "xor"),
    (Token::Not, "not"),
    (Token::Is, "is"),
    (Token::Null, "null"),
    (Token::Bool, "true false"),
    (Token::Like, "like similar sounds match against"),
    (Token::Regexp, "rlike regexp glob ilike"),
    (Token::In, "in exists any some"),
    (Token::Between, "between"),
    (
        Token::Operator,
        "div mod escape notnull isnull dual rownum rowid binary placing overlaps",
    ),
    (Token::Select, "select distinctrow"),
    (Token::Union, "union intersect except minus"),
    (Token::All, "all distinct"),
    (Token::From, "from join"),
    (Token::Where, "where"),
    (Token::Having, "having"),
    (Token::Order, "order group"),
    (Token::By, "by"),
    (Token::Limit, "limit offset fetch top"),
    (Token::As, "as"),
    (Token::Case, "case"),
    (Token::When, "when then else end"),
    (Token::If, "if iif elseif"),
    (Token::Insert, "insert replace merge"),
    (Token::Into, "into"),
    (Token::Values, "values value"),
    (Token::Update, "update"),
    (Token::Set, "set"),
    (Token::Delete, "delete"),
    (
        Token::Define,
        "drop alter create truncate rename grant revoke shutdown analyze",
    ),
    (
        Token::Table,
        "table database view function procedure trigger index user schema column",
    ),
    (Token::Execute, "exec execute call prepare"),
    (Token::Declare, "declare"),
    (Token::Wait, "waitfor"),
    (Token::Collate, "collate"),
    (Token::Outfile, "outfile dumpfile"),
    (
        Token::Type,
        "int integer bigint smallint tinyint varchar nvarchar varchar2 nchar nvarchar2 char text clob blob \
         bytea json jsonb bool boolean decimal numeric float real double signed unsigned datetime regclass uuid",
    ),
    (
        Token::Sleep,
        "sleep benchmark pg_sleep pg_sleep_for pg_sleep_until delay randomblob generate_series heavy",
    ),
    (
        Token::Danger,
        "xp_cmdshell load_file extractvalue updatexml openrowset opendatasource openquery sp_executesql \
         sp_password sp_oacreate sp_oamethod sp_makewebtask utl_http utl_inaddr utl_file utl_smtp dbms_pipe dbms_lock \
         dbms_ldap dbms_xmlgen dbms_java xmltype httpuritype lo_import lo_export lo_get pg_read_file pg_ls_dir \
         pg_read_binary_file dblink load_extension sys_eval sys_exec analyse msdasql sqloledb bulk unistr \
         query_to_xml database_to_xml ctxsys drithsx ordsys current_setting immediate xmlforest xp_dirtree \
         xp_regread xp_fileexist",
    ),
    (
        Token::Schema,
        "information_schema sysobjects syscolumns sysusers sysdatabases syslogins systypes sysprocesses \
         pg_catalog pg_user pg_shadow pg_class pg_database pg_tables pg_roles sqlite_master sqlite_schema \
         sqlite_temp_master msysaccessobjects msysobjects msysqueries msysaces msysrelationships msysaccessxml \
         user_tables user_tab_columns user_objects user_users all_tables all_tab_columns all_users dba_users \
         dba_tables v$version v$session mysql performance_schema schema_name table_name column_name table_schema \
         tempdb msdb northwind master adventureworks db_name schemata tab_columns innodb_table_stats",
    ),
    (
        Token::Function,
        "acos adddate addtime aes_decrypt aes_encrypt ascii asin atan atan2 atn avg bit_and bit_or bit_xor \
         bit_count bit_length bin_to_num cast ceil char_length character_length charindex chr coalesce coercibility \
         compress concat concat_ws connection_id conv convert_tz cos cot count_big crc32 cume_dist curdate \
         current_date current_time current_timestamp current_user curtime datalength date_add date_format date_sub \
         datediff datename datepart dateadd date_trunc dayname dayofmonth dayofweek dayofyear db_id dcount decode \
         dense_rank des_decrypt des_encrypt difference elt encode exp export_set extract find_in_set \
         first_value floor found_rows from_base64 from_days from_unixtime get_format get_lock getdate getutcdate \
         greatest group_concat hextoraw hex host_id host_name ident_current ifnull inet_aton inet_ntoa inet6_aton \
         inet6_ntoa initcap instr is_free_lock is_member is_srvrolemember is_used_lock isdate isnumeric \
         json_keys lag last_day last_insert_id lastval lcase ln locate localtime localtimestamp log10 \
         log2 lpad ltrim make_set makedate maketime master_pos_wait md5 microsecond monthname months_between \
         name_const nextval ntile nullif numtodsinterval nvl nvl2 object_id object_name octet_length old_password \
         ord overlay parsename patindex percent_rank period_add period_diff pg_client_encoding pi pow quote_ident \
         quote_literal quotename radians rand random rawtohex regexp_instr regexp_like regexp_replace \
         regexp_substr release_lock row_count row_number rpad rtrim schema schema_id scope_identity sec_to_time \
         session_user setval sha sha1 sha2 sin sinh soundex spid split_part sqlite_version sqrt starts_with \
         stddev stddev_pop stddev_samp str_to_date strcmp strpos strftime julianday stuff subdate substr substring \
         substring_index subtime suser_name suser_sname sysdate systimestamp system_user tan tanh time_format \
         time_to_sec timediff timestampadd timestampdiff to_base64 to_char to_date to_days to_hex to_number \
         to_timestamp trim typeof ucase uncompress uncompressed_length unhex unicode unix_timestamp utc_date \
         utc_time utc_timestamp user_id user_name uuid_short var_pop var_samp varchar_format weekofyear \
         weight_string chartorowid cr32 encrypt dump field_in_set format_bytes format_pico_time get_lock grouping \
         gtid_subset gtid_subtract is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid last_value nth_value ps_current_thread_id \
         ps_thread_id random_bytes rawtonhex rawtonhextoraw release_all_locks roles_graphml rowidtochar std statement_digest \
         statement_digest_text to_nchar to_seconds uuid_to_bin bin_to_uuid validate_password_strength \
         wait_for_executed_gtid_set sdo_geometry pseudo_encrypt ascii_str square stuff str_split group_replace bitor bitand \
         hex_to_int intersection ts_headline to_tsvector make_interval encode_base64 currval lcm gcd sqlerrm \
         xmlagg xmlelement xmlquery xmltable yearweek zeroblob array_agg array_to_string string_agg \
         string_to_array unnest bintoint char_to_uuid gen_random_uuid json_array json_arrayagg json_build_object \
         json_each json_extract json_object json_quote json_search json_tree json_type json_valid likelihood \
         unlikely lower upper aggregate total_changes printf iif mid asciistr nchr stdev stdevp varp wm_concat listagg",
    ),
    (
        Token::CommonFunction,
        "abs bin changes ceiling charset chars collation convert cot count date day default degrees format hour least \
         left length likely local log lead rank max min minute month name now oct password position power quarter \
         quote repeat reverse right round row second sign space sum sys time timestamp translate user values \
         variance version week weekday year lower upper field interval degrees last first char insert replace \
         database schema if in hex point polygon multipoint linestring geometrycollection char print",
    ),
];

/// Prefixes of names that only databases use, and what they mean.
const PREFIXES: &[(&str, Token)] = &[
    ("xp_", Token::Danger),
    ("sp_", Token::Danger),
    ("utl_", Token::Danger),
    ("dbms_", Token::Danger),
    ("msys", Token::Schema),
    ("sqlite_", Token::Function),
    ("pg_", Token::Schema),
    ("json_", Token::Function),
    ("jsonb_", Token::Function),
    ("regexp_", Token::Function),
    ("lo_", Token::Function),
    ("array_", Token::Function),
    ("xml_", Token::Function),
    ("to_tsv", Token::Function),
    ("is_srv", Token::Function),
    ("bit_", Token::Function),
    ("st_as", Token::Function),
];

/// Operators of MongoDB's query language, without their `$`.
const MONGO: &str = "eq ne gt gte lt lte in nin and or not nor exists type expr jsonschema mod regex text where \
     all elemmatch size geowithin geointersects near nearsphere func accumulator function lookup \
     project match group set unset push pull rename inc addfields bitsallset bitsanyset comment meta slice rand options";

/// Longer words are in no list.
pub const WORD_BYTES_MAX: usize = 24;

static TABLE: LazyLock<AHashMap<&'static str, Token>> = LazyLock::new(|| {
    let mut table = AHashMap::new();
    for (token, words) in WORDS {
        for word in words.split_ascii_whitespace() {
            // The first list that has a word decides.
            table.entry(word).or_insert(*token);
        }
    }
    table
});

static MONGO_TABLE: LazyLock<ahash::AHashSet<&'static str>> =
    LazyLock::new(|| MONGO.split_ascii_whitespace().collect());

/// The class of a word, whatever its case; `None` when SQL has no such word.
pub fn class(word: &[u8]) -> Option<Token> {
    let mut buffer = [0u8; WORD_BYTES_MAX];
    let lower = lower(word, &mut buffer)?;
    if let Some(token) = TABLE.get(lower) {
        return Some(*token);
    }
    if !lower.contains('_') && !lower.starts_with("msys") {
        return None;
    }
    PREFIXES
        .iter()
        .find(|(prefix, _)| lower.len() > prefix.len() && lower.starts_with(prefix))
        .map(|(_, token)| *token)
}

/// Whether `$word` is an operator of MongoDB.
pub fn is_mongo(word: &[u8]) -> bool {
    let mut buffer = [0u8; WORD_BYTES_MAX];
    lower(word, &mut buffer).is_some_and(|lower| MONGO_TABLE.contains(lower))
}

fn lower<'a>(word: &[u8], buffer: &'a mut [u8; WORD_BYTES_MAX]) -> Option<&'a str> {
    let out = buffer.get_mut(..word.len())?;
    for (to, from) in out.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    std::str::from_utf8(out).ok()
}
