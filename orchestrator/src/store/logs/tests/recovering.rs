use super::*;
use crate::store::logs::{LogError, frame::HEADER};

const FILE: &str = "logs/bld_1/000001.log";
const TEXT: &[u8] = b"one\ntwo\nthree\n";

/// A log of three records, as bytes of its file, and where each begins.
async fn three_records() -> (Vec<u8>, Vec<usize>) {
    let (directory, store) = open();
    let (path, mut begins) = (directory.path().join(FILE), Vec::new());
    for record in records("x86_64", 0, TEXT) {
        begins.push(fs::metadata(&path).map_or(0, |file| file.len() as usize));
        store.append(&build(), Some(&order("x86_64")), vec![record]).await.unwrap();
    }
    store.close().await;
    (fs::read(path).unwrap(), begins)
}

fn open_file(bytes: &[u8]) -> (TempDir, LogStore) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("logs/bld_1")).unwrap();
    fs::write(directory.path().join(FILE), bytes).unwrap();
    let store = LogStore::open(directory.path(), LogLimits::default()).unwrap();
    (directory, store)
}

/// What is left of the log is `kept` bytes of text, and it can be completed.
async fn assert_recovers(bytes: &[u8], kept: usize, case: &str) {
    let (directory, store) = open_file(bytes);
    let (build, order) = (build(), order("x86_64"));
    assert_eq!(text_of(&all(&store).await), &TEXT[..kept], "{case}");
    assert_eq!(store.stored(&build, &order).await.unwrap(), kept as u64, "{case}");
    let rest = records("x86_64", kept as u64, &TEXT[kept..]);
    assert_eq!(store.append(&build, Some(&order), rest).await.unwrap(), TEXT.len() as u64);
    let copy = killed(directory.path());
    for store in [store, LogStore::open(copy.path(), LogLimits::default()).unwrap()] {
        assert_eq!(text_of(&all(&store).await), TEXT, "{case}");
    }
}

#[tokio::test]
async fn a_last_frame_that_was_half_written_is_cut_off() {
    let (bytes, begins) = three_records().await;
    for length in begins[2]..bytes.len() {
        assert_recovers(&bytes[..length], 8, &format!("{length} bytes are left")).await;
    }
    assert_recovers(&bytes, TEXT.len(), "nothing is missing").await;
    assert_recovers(&[], 0, "the file is empty").await;
}

#[tokio::test]
async fn space_that_was_never_filled_is_cut_off() {
    let (bytes, begins) = three_records().await;
    let mut longer = bytes.clone();
    longer.resize(bytes.len() + 5000, 0);
    assert_recovers(&longer, TEXT.len(), "zeros behind the last frame").await;
    let mut zeros = bytes.clone();
    zeros[begins[2]..].fill(0);
    assert_recovers(&zeros, 8, "zeros in place of the last frame").await;
    let mut half = bytes.clone();
    half[begins[2] + HEADER + 10..].fill(0);
    assert_recovers(&half, 8, "zeros in the last frame").await;
}

#[tokio::test]
async fn damage_before_good_frames_is_named_and_nothing_is_cut_off() {
    let (bytes, begins) = three_records().await;
    for at in begins[1]..begins[2] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let (directory, store) = open_file(&damaged);
        let appended = store.append(&build(), None, own_line("more\n")).await;
        let page = store.read(&build(), 0, None, 1 << 20).await.unwrap();
        assert_eq!(text_of(&page.records), b"one\n", "what is before can be read");
        assert!(!page.at_end);
        let stored = store.stored(&build(), &order("x86_64")).await;
        let read = store.read(&build(), page.next_offset, None, 100).await;
        for error in [appended.unwrap_err(), stored.unwrap_err(), read.unwrap_err()] {
            let LogError::Corrupt { path, position, .. } = &error else { panic!("byte {at}: {error}") };
            assert_eq!(path, &directory.path().join(FILE));
            assert_eq!(*position, begins[1] as u64, "byte {at}");
        }
        assert_eq!(fs::read(directory.path().join(FILE)).unwrap(), damaged);
        let other = "bld_2".parse().unwrap();
        store.append(&other, None, own_line("other builds go on\n")).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_last_segment_may_be_unfinished() {
    let limits = LogLimits { segment_bytes: 1, ..LogLimits::default() };
    let (directory, store) = open_with(limits);
    store.append(&build(), Some(&order("x86_64")), records("x86_64", 0, TEXT)).await.unwrap();
    store.close().await;
    let folder = directory.path().join("logs/bld_1");
    let second = fs::read(folder.join("000002.log")).unwrap();
    fs::write(folder.join("000002.log"), &second[..second.len() - 1]).unwrap();
    let store = LogStore::open(directory.path(), limits).unwrap();
    let error = store.read(&build(), 4, None, 100).await.unwrap_err();
    assert!(error.to_string().contains("000002.log is damaged at byte 0"), "{error}");
    store.close().await;
    fs::remove_file(folder.join("000002.log")).unwrap();
    let store = LogStore::open(directory.path(), limits).unwrap();
    let error = store.read(&build(), 0, None, 100).await.unwrap_err();
    assert!(error.to_string().ends_with("000002.log"), "{error}");
    fs::write(folder.join("000002.log"), &second).unwrap();
    assert_eq!(text_of(&all(&store).await), TEXT);
}

#[tokio::test]
async fn damage_that_comes_while_the_log_is_open_is_noticed() {
    let (directory, store) = open();
    store.append(&build(), Some(&order("x86_64")), records("x86_64", 0, TEXT)).await.unwrap();
    let path = directory.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let page = store.read(&build(), 0, None, 1 << 20).await.unwrap();
    assert_eq!((page.records.len(), page.at_end), (2, false), "what is good can be read");
    let error = store.read(&build(), page.next_offset, None, 100).await.unwrap_err();
    assert_eq!(error.code(), "logs.corrupt");
}
