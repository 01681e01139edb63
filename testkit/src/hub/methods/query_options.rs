//! What a caller may say about the rows of an answer: `queryOpts`.

use std::cmp::Ordering;

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{arguments::given, python, record::number};
use crate::hub::context::fault;

/// Orders, cuts or counts rows as the argument `queryOpts` says. Without it they
/// are answered as they are.
///
/// # Errors
/// It names a column that the rows have not: fault 1000.
pub(super) fn apply(mut rows: Vec<Value>, arguments: &Arguments) -> Result<Value, Fault> {
    let Some(options) = given(arguments, "queryOpts") else {
        return Ok(Value::Array(rows));
    };
    if let Some(order) = options.get("order").and_then(Value::as_str) {
        let mut columns = Vec::new();
        for name in order.split(',') {
            let (descending, name) = match name.strip_prefix('-') {
                Some(name) => (true, name),
                None => (false, name),
            };
            columns.push((column(&rows, name)?, descending));
        }
        rows.sort_by(|one, other| {
            columns.iter().fold(Ordering::Equal, |so_far, (column, descending)| {
                let order = compare(one.get(column), other.get(column));
                so_far.then(if *descending { order.reverse() } else { order })
            })
        });
    }
    let size =
        |name: &str| options.get(name).and_then(Value::as_i64).map(|size| usize::try_from(size).unwrap_or(0));
    let rows: Vec<Value> = rows
        .into_iter()
        .skip(size("offset").unwrap_or(0))
        .take(size("limit").unwrap_or(usize::MAX))
        .collect();
    if options.get("countOnly").is_some_and(super::arguments::truth) {
        return Ok(number(rows.len() as u64));
    }
    Ok(Value::Array(rows))
}

/// The member of the rows that a column is: by its own name, with its table
/// (`build.id` is `build_id`), or without (`build.id` is `id`).
fn column(rows: &[Value], name: &str) -> Result<String, Fault> {
    let Some(first) = rows.first() else {
        return Ok(name.to_owned());
    };
    let bare = name.rsplit_once('.').map_or(name, |(_, bare)| bare);
    [name.to_owned(), name.replace('.', "_"), bare.to_owned()]
        .into_iter()
        .find(|candidate| first.get(candidate).is_some())
        .ok_or_else(|| fault::generic(format!("Invalid order: {name}")))
}

/// Nothing comes last, as in PostgreSQL.
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(Value::Int(one)), Some(Value::Int(other))) => one.cmp(other),
        (Some(Value::Double(one)), Some(Value::Double(other))) => one.total_cmp(other),
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (Some(Value::Nil), Some(Value::Nil)) => Ordering::Equal,
        (Some(Value::Nil), _) => Ordering::Greater,
        (_, Some(Value::Nil)) => Ordering::Less,
        _ => Ordering::Equal,
    }
}

/// A number in a filter: itself, or looked up by name. `Err` if the name is
/// unknown, which nothing can match.
pub(super) fn number_or_name(
    value: Option<&Value>,
    by_name: impl Fn(&str) -> Option<u64>,
) -> Result<Option<u64>, ()> {
    match value {
        None => Ok(None),
        Some(Value::Int(number)) => u64::try_from(*number).map(Some).map_err(|_| ()),
        Some(Value::String(name)) => by_name(name).map(Some).ok_or(()),
        Some(_) => Err(()),
    }
}

/// A glob as Koji takes it (`*` and `?`), as a regular expression for a whole text.
pub(super) fn glob_expression(glob: &str) -> String {
    let inner: String = glob
        .chars()
        .map(|character| match character {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            other => regex::escape(other.encode_utf8(&mut [0; 4])),
        })
        .collect();
    format!("^{inner}$")
}

/// A regular expression that does not look at case.
///
/// # Errors
/// It is none: the database's complaint, fault 1.
pub(super) fn expression(pattern: &str) -> Result<regex::Regex, Fault> {
    let invalid = |_| {
        let text = format!("invalid regular expression: {}", python::quoted(pattern));
        fault::uncaught("psycopg2.errors.InvalidRegularExpression", &text)
    };
    regex::RegexBuilder::new(pattern)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .map_err(invalid)
}
