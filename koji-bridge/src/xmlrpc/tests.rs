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
