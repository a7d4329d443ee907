//! Bit arrays and part sets against a list of bools and a set of indexes.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use arbitrary::{Result, Unstructured};
use borsh::BorshDeserialize;

use super::decoders::encoded;
use crate::types::{BitArray, Bounded, BoundedBytes, Hash, PART_BYTES, Part, PartError, PartSet};

/// Bytes as an encoded bit array, then as changes of one.
pub(super) fn bit_array(bytes: &[u8]) {
    if let Ok(array) = BitArray::try_from_slice(bytes) {
        assert_eq!(encoded(&array), bytes, "a second encoding of the same bits");
        let model: Vec<bool> = (0..array.len()).map(|at| array.get(at)).collect();
        agree(&array, &model);
    }
    let _ = changes(&mut Unstructured::new(bytes));
}

fn bools(u: &mut Unstructured<'_>) -> Result<Vec<bool>> {
    let len = usize::from(u.arbitrary::<u8>()?);
    let words: [u64; 2] = u.arbitrary()?;
    Ok((0..len)
        .map(|at| words[at / 64 % 2] >> (at % 64) & 1 == 1)
        .collect())
}

fn changes(u: &mut Unstructured<'_>) -> Result<()> {
    let mut model = bools(u)?;
    let mut array: BitArray = model.iter().copied().collect();
    while !u.is_empty() {
        let theirs = |bits: &[bool], at: usize| bits.get(at).copied().unwrap_or(false);
        match u.arbitrary::<u8>()? {
            0..=191 => {
                let (at, bit) = (usize::from(u.arbitrary::<u8>()?), u.arbitrary()?);
                assert_eq!(array.set(at, bit), at < model.len());
                if let Some(known) = model.get_mut(at) {
                    *known = bit;
                }
            }
            192..=223 => {
                let bits = bools(u)?;
                array.add_all(&bits.iter().copied().collect());
                (0..model.len()).for_each(|at| model[at] |= theirs(&bits, at));
            }
            224..=247 => {
                let bits = bools(u)?;
                array = array.minus(&bits.iter().copied().collect());
                (0..model.len()).for_each(|at| model[at] &= !theirs(&bits, at));
            }
            248..=255 => {
                array.clear();
                model.fill(false);
            }
        }
        agree(&array, &model);
    }
    Ok(())
}

fn agree(array: &BitArray, model: &[bool]) {
    assert_eq!(array.len(), model.len());
    let ones: Vec<usize> = (0..model.len()).filter(|at| model[*at]).collect();
    assert_eq!(array.count(), ones.len());
    assert_eq!(array.ones().collect::<Vec<_>>(), ones);
    assert_eq!(array.is_full(), ones.len() == model.len());
    assert!((0..model.len() + 70).all(|at| array.get(at) == model.get(at).is_some_and(|bit| *bit)));
    assert_eq!(
        *array,
        model.iter().copied().collect(),
        "two forms of the same bits"
    );
    assert_eq!(
        BitArray::try_from_slice(&encoded(array)).ok().as_ref(),
        Some(array)
    );
}

/// A block of four whole parts and a short one, and another one of the same lengths.
fn blocks() -> &'static [(Vec<u8>, PartSet); 2] {
    static BLOCKS: OnceLock<[(Vec<u8>, PartSet); 2]> = OnceLock::new();
    BLOCKS.get_or_init(|| {
        let block = |mask: u8| {
            let counted = (0u8..251).cycle().map(|byte| byte ^ mask);
            let bytes: Vec<u8> = counted.take(4 * PART_BYTES + 99).collect();
            let parts = PartSet::split(&bytes);
            (bytes, parts)
        };
        [block(0), block(0x55)]
    })
}

/// Parts, some of them spoilt, into an empty set.
pub(super) fn part_set(bytes: &[u8]) {
    let _ = offers(&mut Unstructured::new(bytes));
}

fn offers(u: &mut Unstructured<'_>) -> Result<()> {
    let [(bytes, whole), _] = blocks();
    let mut set = PartSet::empty(whole.header()).expect("five parts");
    let mut model = BTreeSet::new();
    for _ in 0..12 {
        if u.is_empty() {
            break;
        }
        let (part, expected) = offer(u)?;
        let (index, total) = (part.proof.index, part.proof.total);
        let known = model.contains(&(index as usize)) && total == 5;
        // What is here already is not looked at again.
        let expected = if known { Ok(false) } else { expected };
        let before = set.clone();
        let added = set.add(&Arc::new(part)).map_err(|error| word(&error));
        assert_eq!(added, expected, "part {index} of {total}");
        match added {
            Ok(true) => assert!(model.insert(index as usize)),
            Ok(false) | Err(_) => assert_eq!(before, set, "what is not taken changes nothing"),
        }
        assert_eq!(set.have().ones().collect::<BTreeSet<_>>(), model);
        let all = model.len() == 5;
        assert_eq!(set.is_complete(), all);
        assert_eq!(set.assemble().is_some_and(|got| got == *bytes), all);
    }
    Ok(())
}

type Verdict = std::result::Result<bool, &'static str>;

/// A part, and what must become of it in a set that lacks it.
fn offer(u: &mut Unstructured<'_>) -> Result<(Part, Verdict)> {
    let [(_, whole), (_, other)] = blocks();
    let given: u8 = u.arbitrary()?;
    let index = usize::from(given % 5);
    let mut part = Part::clone(whole.part(index).expect("a whole block"));
    let (mut bytes, mut aunts) = (part.bytes.to_vec(), part.proof.aunts.to_vec());
    let mut expected = Err("proof");
    match given / 5 % 16 {
        0 => return Ok((Part::clone(other.part(index).expect("as many")), expected)),
        1 => {
            let to = u32::from(u.arbitrary::<u8>()?);
            if to as usize == index {
                expected = Ok(true);
            } else if index == 4 {
                expected = Err("length"); // the short part is the last one only
            }
            part.proof.index = to;
        }
        2 => {
            let total = u.arbitrary()?;
            expected = if total == 5 { Ok(true) } else { Err("total") };
            part.proof.total = total;
        }
        3 => {
            let at = usize::from(u.arbitrary::<u16>()?) % bytes.len();
            bytes[at] ^= u.arbitrary::<u8>()?.max(1);
        }
        4 => {
            bytes.pop();
            // A shorter last part is of the right length, and then it is its proof that is wrong.
            expected = Err(if index == 4 { "proof" } else { "length" });
        }
        5 => {
            bytes.clear();
            expected = Err("length");
        }
        6 => drop(aunts.pop()),
        7 => aunts.push(Hash::default()),
        8 => aunts[0].0[usize::from(given % 32)] ^= 1,
        9 => aunts.reverse(),
        _ => expected = Ok(true),
    }
    if aunts[..] == part.proof.aunts[..] && bytes[..] == part.bytes[..] && expected == Err("proof")
    {
        // A single aunt reversed is the same.
        let moved = part.proof.index as usize != index;
        expected = if moved { expected } else { Ok(true) };
    }
    part.bytes = BoundedBytes::try_from(bytes).expect("no longer than before");
    part.proof.aunts = Bounded::try_from(aunts).expect("few");
    Ok((part, expected))
}

fn word(error: &PartError) -> &'static str {
    match error {
        PartError::WrongTotal { .. } => "total",
        PartError::WrongProof { .. } => "proof",
        PartError::WrongLength { .. } => "length",
    }
}
