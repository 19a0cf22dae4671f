//! Whom a row is about that names no client: the machine it comes from, else the account. Calls of a
//! cloud's interface have no machine; there it is the caller.

use super::value::{Column, field_text};
use crate::fields::{FieldRef, Place, View};
use haetae_event::{Dataset, EventBatch};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Key spaces behind those of the rules.
pub const DATASET_SPACE: u16 = u16::MAX;
pub const HOST_SPACE: u16 = u16::MAX - 1;
pub const ACCOUNT_SPACE: u16 = u16::MAX - 2;

/// Where agents put the machine's name: Windows events as they are and as Winlogbeat nests them, ECS.
const HOST_KEYS: [&str; 6] = [
    "Computer",
    "Event.System.Computer",
    "System.Computer",
    "winlog.computer_name",
    "host.name",
    "agent.hostname",
];

static HOST: LazyLock<FieldRef> = LazyLock::new(|| {
    let columns = ["hostname", "dst_host"].map(|column| Place::Column(column.into()));
    let keys = HOST_KEYS.map(|path| Place::Json {
        column: "attrs".into(),
        path: path.into(),
    });
    let places: Vec<Place> = columns.into_iter().chain(keys).collect();
    FieldRef::looked_up(&places, View::Whole).expect("places to look at")
});

static ACCOUNT: FieldRef = FieldRef {
    column: Cow::Borrowed("account"),
    view: View::Whole,
};

/// Its column `account` is the number of the customer's account.
static CALLER: FieldRef = FieldRef {
    column: Cow::Borrowed("useridentity_arn"),
    view: View::Whole,
};

/// The columns of one batch that name somebody.
pub struct Instead<'a> {
    order: [(u16, &'static FieldRef, Column<'a>); 2],
}

impl<'a> Instead<'a> {
    /// `None` for datasets whose rows are always about a client.
    pub fn of(batch: &'a EventBatch) -> Option<Instead<'a>> {
        let host = || (HOST_SPACE, &*HOST, Column::of(batch, &HOST.column));
        let account = || (ACCOUNT_SPACE, &ACCOUNT, Column::of(batch, &ACCOUNT.column));
        let order = match batch.dataset {
            Dataset::App | Dataset::Syslog | Dataset::Gelf | Dataset::Cef | Dataset::Leef => {
                [host(), account()]
            }
            Dataset::CloudTrail => [
                (ACCOUNT_SPACE, &CALLER, Column::of(batch, &CALLER.column)),
                account(),
            ],
            _ => return None,
        };
        Some(Instead { order })
    }

    /// The key space and the name, if the row has one.
    pub fn named(&self, row: usize) -> Option<(u16, Cow<'a, str>)> {
        self.order.iter().find_map(|(space, field, column)| {
            let text = field_text(column, row, field)?;
            (!text.is_empty()).then_some((*space, text))
        })
    }
}
