//! The hex dumps of docs/WAL.md are what is written.

use super::*;

/// The bytes of the dump behind a heading: lines of an offset and up to 16 bytes in hexadecimal.
fn dump(heading: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(format!("{root}/../docs/WAL.md")).unwrap();
    let (_, behind) = text.split_once(heading).expect("the heading is there");
    let (_, block) = behind.split_once("```\n").expect("a dump follows");
    let (block, _) = block.split_once("```").expect("the dump ends");
    let mut bytes = Vec::new();
    for line in block.lines() {
        let mut words = line.split('|').next().unwrap().split_whitespace();
        let offset = usize::from_str_radix(words.next().unwrap(), 16).unwrap();
        assert_eq!(offset, bytes.len(), "{line}");
        bytes.extend(words.map(|word| u8::from_str_radix(word, 16).unwrap()));
    }
    bytes
}

/// Metadata "gauntlet", the entry (0, term 1, "propose") and the end of height 1.
fn documented(format: Format) -> Vec<u8> {
    let mut disk = MemoryStorage::default();
    let mut log = create(&mut disk, DIR, b"gauntlet", small(format)).unwrap();
    let entry = Entry {
        index: 0,
        term: 1,
        data: b"propose".to_vec(),
    };
    log.save(&mut disk, None, &[entry]).unwrap();
    log.save_snapshot(&mut disk, &Snapshot { index: 0, term: 1 })
        .unwrap();
    log.close(&mut disk).unwrap();
    read_file(&mut disk, &first()).unwrap()
}

#[test]
fn the_documented_log_of_format_2_is_written_byte_for_byte() {
    let bytes = documented(Format::Native);
    let shown: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(dump("## A small log"), bytes, "{shown:?}");
}

#[test]
fn the_documented_record_of_format_1_is_written_byte_for_byte() {
    let log = documented(Format::Etcd);
    let record = dump("The same entry in format 1");
    let header = 72;
    assert_eq!(log[header..header + record.len()], record, "{log:02x?}");
}

#[test]
fn the_documented_log_reads_as_documented() {
    let mut disk = foreign_log(&dump("## A small log"));
    let mut seen = Vec::new();
    let end = inspect(&mut disk, DIR, &mut |record| {
        seen.push((record.offset, record.bytes));
        Ok(())
    });
    assert_eq!(end.unwrap().torn, None);
    let (replayed, _) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries[0].data, b"propose");
    assert_eq!(seen, [(0, 48), (48, 32), (80, 40), (120, 32)]);
}
