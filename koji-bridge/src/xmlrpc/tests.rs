//! Values there and back.

use super::*;

fn round_trip(value: &Value) -> Value {
    read_answer(write_answer(&Ok(value.clone())).unwrap().as_bytes()).unwrap().unwrap()
}

#[test]
fn every_kind_of_value_survives() {
    let members = [("a & b".to_owned(), Value::Nil), ("é".to_owned(), Value::Bool(true))];
    for value in [
        Value::Nil,
        Value::Bool(false),
        Value::Int(i64::MIN),
        Value::Int(i64::from(i32::MAX)),
        Value::Int(i64::from(i32::MAX) + 1),
        Value::Double(1_795_418_402.912_504),
        Value::Double(1e300),
        Value::String("  <b>&amp;\r\n\t ü  ".to_owned()),
        Value::String(String::new()),
        Value::Bytes(vec![0, 255, 10]),
        Value::DateTime("20180425T18:31:00".to_owned()),
        Value::Array(vec![Value::Nil, Value::Array(Vec::new())]),
        Value::Struct(members.into()),
    ] {
        assert_eq!(round_trip(&value), value);
    }
}

#[test]
fn named_arguments_travel_in_a_last_struct() {
    let call = Call::new("getBuild", Arguments::none().with("a-1-1").named("strict", true));
    let read = Call::from_xml(call.to_xml().unwrap().as_bytes()).unwrap();
    assert_eq!(read, call);
    assert_eq!(read.arguments.to_parameters().len(), 2);
}

#[test]
fn a_document_of_another_hand_is_read() {
    let document = br#"<?xml version="1.0"?><m:methodResponse xmlns:m="x"><params><param><value><struct>
      <member><name>a</name><value>bare &amp; text</value></member>
      <member><name>b</name><value><ex:nil xmlns:ex="y"/></value></member>
      <member><name>c</name><value><i4> 7 </i4></value></member>
      <member><name>d</name><value/></member>
      </struct></value></param></params></m:methodResponse>"#;
    let value = read_answer(document).unwrap().unwrap();
    assert_eq!(value.get("a"), Some(&Value::from("bare & text")));
    assert_eq!(value.get("b"), Some(&Value::Nil));
    assert_eq!(value.get("c"), Some(&Value::Int(7)));
    assert_eq!(value.get("d"), Some(&Value::from("")));
}

/// Values of every kind, with all that XML 1.0 can carry.
fn values() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let text = || any::<String>().prop_map(|text| text.chars().filter(|c| carried(*c)).collect::<String>());
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("no digits", |number| number.is_finite()).prop_map(Value::Double),
        text().prop_map(Value::String),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        Just(Value::DateTime("20180425T18:31:00".to_owned())),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(text(), inner, 0..6).prop_map(Value::Struct),
        ]
    })
}

fn carried(character: char) -> bool {
    (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'))
        || matches!(character, '\t' | '\n' | '\r')
}

proptest::proptest! {
    #[test]
    fn any_value_survives(value in values()) {
        proptest::prop_assert_eq!(round_trip(&value), value);
    }

    #[test]
    fn any_call_survives(method in "[a-zA-Z.]{1,20}", value in values(), name in "[a-z_]{1,9}", other in values()) {
        let call = Call::new(method, Arguments::none().with(value).named(&name, other));
        proptest::prop_assert_eq!(Call::from_xml(call.to_xml().unwrap().as_bytes()).unwrap(), call);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = (read_answer(&bytes), Call::from_xml(&bytes));
    }

    #[test]
    fn no_damage_makes_a_reader_panic(value in values(), at in 0usize..10_000, with in "[<>&;/a-z0-9\u{1}\u{fffe}]{0,4}") {
        let document = write_answer(&Ok(value)).unwrap();
        let at = document.char_indices().map(|(at, _)| at).nth(at % document.chars().count()).unwrap_or(0);
        let damaged = format!("{}{with}{}", &document[..at], &document[at..]);
        let _ = read_answer(damaged.as_bytes());
        let _ = read_answer(&document.as_bytes()[..at]);
    }
}
