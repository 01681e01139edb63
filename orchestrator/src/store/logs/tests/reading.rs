use super::*;
use crate::store::logs::slots::Slots;

#[tokio::test]
async fn any_byte_leads_to_the_record_that_holds_it() {
    let text = b"a\nbb\nccc\ndddd\neeeee\nffffff\n";
    for segment_bytes in [1, 150, 300, 1 << 20] {
        let limits = LogLimits { segment_bytes, ..LogLimits::default() };
        let (_directory, store) = open_with(limits);
        let sent = records("x86_64", 0, text);
        store.append(&build(), Some(&order("x86_64")), sent.clone()).await.unwrap();
        for from in 0..text.len() as u64 {
            let expected = sent.iter().position(|record| record.end() > from).unwrap();
            let page = store.read(&build(), from, None, 1).await.unwrap();
            assert_eq!(page.records, [sent[expected].clone()], "byte {from}");
            assert_eq!(page.next_offset, sent[expected].end());
            assert_eq!(page.at_end, expected == sent.len() - 1);
            let page = store.read(&build(), from, None, 1 << 20).await.unwrap();
            assert_eq!(page.records, sent[expected..]);
            assert!(page.at_end);
        }
        for beyond in [text.len() as u64, u64::MAX] {
            let page = store.read(&build(), beyond, None, 100).await.unwrap();
            assert!(page.records.is_empty() && page.at_end);
            assert_eq!(page.next_offset, beyond);
        }
    }
}

#[tokio::test]
async fn one_platform_can_be_read_alone() {
    let (_directory, store) = open();
    let mut reached = 0;
    for count in 0..50 {
        let line = format!("x86 line {count}\n");
        let sent = records("x86_64", reached, line.as_bytes());
        reached = store.append(&build(), Some(&order("x86_64")), sent).await.unwrap();
        if count == 40 {
            store.append(&build(), Some(&order("s390x")), records("s390x", 0, b"z\n")).await.unwrap();
        }
    }
    let (mut from, mut found) = (0, Vec::new());
    let platform = "s390x".parse().unwrap();
    loop {
        let page = store.read(&build(), from, Some(&platform), 100).await.unwrap();
        assert!(page.next_offset > from);
        from = page.next_offset;
        found.extend(page.records);
        if page.at_end {
            break;
        }
    }
    assert_eq!(text_of(&found), b"z\n");
    assert_eq!(from, reached + 2);
    let unknown = "riscv64".parse().unwrap();
    assert!(store.read(&build(), 0, Some(&unknown), 100).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn a_read_in_a_large_log_begins_near_its_record() {
    let limits = LogLimits { segment_bytes: 1 << 20, ..LogLimits::default() };
    let (directory, store) = open_with(limits);
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..4 {
        let sent = (0..1000).flat_map(|_| own_line(&line)).collect();
        store.append(&build(), None, sent).await.unwrap();
    }
    let copy = killed(directory.path());
    for root in [directory.path(), copy.path()] {
        let slots = Slots::new(&root.join("logs"), 1);
        let slot = slots.get(&build()).await.unwrap();
        let contents = slot.contents(&build()).unwrap();
        assert!(contents.segments.len() > 3);
        for from in (0..contents.end).step_by(77_777) {
            let segment = &contents.segments_from(from)[0];
            let mark = segment.mark_before(from);
            assert!(segment.start <= from && mark.offset <= from && mark.position <= segment.length);
            assert!(from - mark.offset < 140_000, "byte {from} is far from {mark:?}");
        }
    }
    for from in [0, 999, 1000, 1_234_567, 3_999_999] {
        let page = store.read(&build(), from, None, 1).await.unwrap();
        assert_eq!(page.records[0].offset, from / 1000 * 1000);
        assert_eq!(page.records[0].text, line.as_bytes());
    }
}

#[tokio::test]
async fn the_log_of_an_unknown_build_is_empty() {
    let (directory, store) = open();
    let page = store.read(&build(), 0, None, 100).await.unwrap();
    assert!(page.records.is_empty() && page.at_end);
    assert!(!directory.path().join("logs/bld_1").exists(), "reading makes nothing");
}
