use super::*;
use crate::sigma::item;
use proptest::prelude::*;
use serde_json::json;

/// Items in all their kinds, over an alphabet so small that they often match.
fn item_of(modifiers: &str, value: serde_json::Value) -> Option<ItemSpec> {
    let key = if modifiers.is_empty() {
        "f".to_owned()
    } else {
        format!("f|{modifiers}")
    };
    let item = item::read(&key, &value, &Default::default()).ok()?;
    Some(ItemSpec {
        view: View::Whole,
        test: item.test,
        column: 0,
        literals: None,
    })
}

const MODIFIERS: [&str; 16] = [
    "",
    "contains",
    "startswith",
    "endswith",
    "cased",
    "contains|cased",
    "re",
    "re|i",
    "windash|contains",
    "contains|all",
    "base64offset|contains",
    "gt",
    "lte",
    "cidr",
    "exists",
    "hour",
];

/// What the items say without any prefilter.
fn brute(items: &[ItemSpec], values: &[Value<'_>], present: bool) -> Vec<u32> {
    let holds = |item: &ItemSpec| {
        let one = |atoms: &[Atom]| {
            values.iter().any(|value| {
                let text = value.text().expect("not null");
                let derived = Derived::new(&text, false);
                atoms
                    .iter()
                    .any(|atom| atom_holds(atom, *value, &derived, item.view))
            })
        };
        match &item.test {
            Test::Any(atoms) => one(atoms),
            Test::All(groups) => groups.iter().all(|atoms| one(atoms)),
            Test::Null => !present,
            Test::Present => present,
            Test::Fields(_) => false,
        }
    };
    (0u32..)
        .zip(items)
        .filter(|(_, item)| holds(item))
        .map(|(id, _)| id)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn literals_sought_first_change_nothing(
        wishes in prop::collection::vec((0..MODIFIERS.len(), prop::collection::vec("[aAéÉΣςσK ſ*?.0-2/-]{0,4}", 1..3)), 1..12),
        texts in prop::collection::vec("[aAéÉΣςσKKſs .0-2/–-]{0,6}", 1..12),
    ) {
        let mut items: Vec<ItemSpec> = Vec::new();
        for (modifiers, values) in &wishes {
            items.extend(item_of(MODIFIERS[*modifiers], json!(values)));
            items.extend(item_of(MODIFIERS[*modifiers], json!(values[0])));
        }
        items.extend(item_of("", json!(null)));
        items.extend(item_of("", json!([1, 20])));
        items.extend(item_of("", json!(true)));
        let mut program = ColumnProgram::new(0, "f", &items);
        let hasher = RandomState::new();
        let numbers = [Value::Int(1), Value::Float(20.0), Value::Bool(true)];
        let singles = texts.iter().map(|text| Value::Text(text)).chain(numbers);
        for value in singles {
            let entry = program.entry(value, &hasher, &items);
            prop_assert_eq!(program.truths[entry as usize].to_vec(), brute(&items, &[value], true), "{:?}", value);
            // From memory.
            prop_assert_eq!(program.entry(value, &hasher, &items), entry);
        }
        let list: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        let entry = program.entry_of(&list, &hasher, &items);
        prop_assert_eq!(program.truths[entry as usize].to_vec(), brute(&items, &list, true));
        prop_assert_eq!(program.truths[program.nothing as usize].to_vec(), brute(&items, &[], false));
    }
}
