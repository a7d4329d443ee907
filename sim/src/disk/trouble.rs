//! What goes wrong with parts of a disk: damage at rest, calls that fail, calls that are slow.
//!
//! Each trouble belongs to the files whose paths begin with a given text. Damage happens once and
//! hits only what was durable; everything else lasts for so many calls, or until it is ended.
//! Chance comes from the stream `disk.damage`, by node and number of the trouble.

use engine::storage::StorageError;
use serde::{Deserialize, Serialize};

use crate::{
    choice::{Draw, Ratio, Stream},
    disk::{
        SimDisk,
        file::SECTOR,
        tree::{Change, Edit, NodeId},
    },
};

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Damage: one bit of a durable sector is the other way round.
    FlipBit,
    /// Damage: a durable sector is all zeros.
    ZeroSector,
    /// Damage: a durable sector has the content of another, of any file of the disk.
    Misdirect,
    /// Damage: a file ends earlier.
    Truncate,
    /// Damage: a file is gone, with its name.
    Remove,
    /// Damage that no checksum shows: the last byte of a file that begins with the checksum of its
    /// rest is another, and the checksum is right. What a program would have stored that computes
    /// something else each time.
    Forge,
    /// Nothing that needs space works (ENOSPC): new names, and bytes past the end of a file.
    NoSpace,
    /// Reads fail (EIO).
    FailReads,
    /// Writes and changes of length fail without effect (EIO).
    FailWrites,
    /// Syncs fail (EIO), and what they should have written is never written.
    FailSyncs,
    /// Somebody else holds the lock.
    Locked,
    /// Reads and writes often move fewer bytes than asked.
    Short,
    /// Reads and writes are often interrupted (EINTR).
    Interrupt,
    /// Jobs take longer.
    Slow,
}

impl Trouble {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::FlipBit,
        Self::ZeroSector,
        Self::Misdirect,
        Self::Truncate,
        Self::Remove,
        Self::Forge,
        Self::NoSpace,
        Self::FailReads,
        Self::FailWrites,
        Self::FailSyncs,
        Self::Locked,
        Self::Short,
        Self::Interrupt,
        Self::Slow,
    ];

    /// The name in plans and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FlipBit => "flip_bit",
            Self::ZeroSector => "zero_sector",
            Self::Misdirect => "misdirect",
            Self::Truncate => "truncate",
            Self::Remove => "remove",
            Self::Forge => "forge",
            Self::NoSpace => "no_space",
            Self::FailReads => "fail_reads",
            Self::FailWrites => "fail_writes",
            Self::FailSyncs => "fail_syncs",
            Self::Locked => "locked",
            Self::Short => "short",
            Self::Interrupt => "interrupt",
            Self::Slow => "slow",
        }
    }

    /// Whether it takes away what a sync had promised to keep.
    #[must_use]
    pub fn is_damage(self) -> bool {
        match self {
            Self::FlipBit
            | Self::ZeroSector
            | Self::Misdirect
            | Self::Truncate
            | Self::Remove
            | Self::Forge => true,
            Self::NoSpace
            | Self::FailReads
            | Self::FailWrites
            | Self::FailSyncs
            | Self::Locked
            | Self::Short
            | Self::Interrupt
            | Self::Slow => false,
        }
    }

    /// Whether calls fail, so that a program has to stop.
    #[must_use]
    pub fn fails_calls(self) -> bool {
        match self {
            Self::NoSpace | Self::FailReads | Self::FailWrites | Self::FailSyncs | Self::Locked => {
                true
            }
            Self::FlipBit
            | Self::ZeroSector
            | Self::Misdirect
            | Self::Truncate
            | Self::Remove
            | Self::Forge
            | Self::Short
            | Self::Interrupt
            | Self::Slow => false,
        }
    }
}

/// Something that a trouble has done, for judges and reports. Delays, short and interrupted calls
/// are not worth a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// What it was.
    pub trouble: Trouble,
    /// The file.
    pub path: String,
}

/// A trouble that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lasting {
    /// As given to [`SimDisk::begin_trouble`].
    number: u64,
    trouble: Trouble,
    path: String,
    /// How many more calls it meets; `None` for all.
    calls: Option<u64>,
    extra_us: u64,
}

/// How often calls are short or interrupted while that is the trouble.
const OFTEN: Ratio = Ratio::percent(50);

impl SimDisk {
    /// From now on the files whose paths begin with `path` have a trouble that is no damage, for
    /// `calls` calls that it can meet, or until [`SimDisk::end_trouble`]. `extra_us` is how much
    /// longer a job takes, for `Trouble::Slow`.
    pub fn begin_trouble(
        &mut self,
        number: u64,
        (trouble, path): (Trouble, &str),
        calls: Option<u64>,
        extra_us: u64,
    ) {
        self.troubles.push(Lasting {
            number,
            trouble,
            path: path.to_owned(),
            calls,
            extra_us,
        });
    }

    /// The trouble of this number is over.
    pub fn end_trouble(&mut self, number: u64) {
        self.troubles.retain(|trouble| trouble.number != number);
    }

    /// All troubles that last are over. Damage stays.
    pub fn end_troubles(&mut self) {
        self.troubles.clear();
    }

    /// What troubles have done since this was asked last.
    pub fn take_strikes(&mut self) -> Vec<Strike> {
        std::mem::take(&mut self.strikes)
    }

    /// How many microseconds longer a job takes that touches files below these paths.
    pub fn extra_us(&mut self, paths: &[&str]) -> u64 {
        let mut extra = 0;
        for slow in &mut self.troubles {
            let meets = |path: &&str| path.starts_with(&slow.path) || slow.path.starts_with(*path);
            if slow.trouble == Trouble::Slow && slow.calls != Some(0) && paths.iter().any(meets) {
                slow.calls = slow.calls.map(|calls| calls - 1);
                extra += slow.extra_us;
            }
        }
        extra
    }

    /// Whether a call on `path` meets this trouble. Counts the call.
    pub(super) fn meets(&mut self, trouble: Trouble, path: &str) -> bool {
        let met = self.troubles.iter_mut().find(|lasting| {
            lasting.trouble == trouble
                && lasting.calls != Some(0)
                && path.starts_with(&lasting.path)
        });
        let Some(lasting) = met else {
            return false;
        };
        lasting.calls = lasting.calls.map(|calls| calls - 1);
        true
    }

    /// Remembers that a call has failed because of a trouble.
    pub(super) fn strike(&mut self, trouble: Trouble, path: &str) {
        let path = path.to_owned();
        self.strikes.push(Strike { trouble, path });
    }

    /// How often a call on `path` is short or interrupted: as it always is, or as a trouble wants.
    pub(super) fn how_often(&mut self, trouble: Trouble, path: &str, always: Ratio) -> Ratio {
        if self.meets(trouble, path) {
            OFTEN
        } else {
            always
        }
    }

    /// Damages a durable file whose path begins with `path`; says which. Nothing happens if there
    /// is none. File, sector (unless given) and bit are drawn by `number`.
    pub fn damage(
        &mut self,
        number: u64,
        (trouble, path): (Trouble, &str),
        sector: Option<u64>,
    ) -> Option<Strike> {
        let coords = [u64::from(self.node.0), number, 0, 0];
        let mut draw = self.choices.draw(Stream::DiskDamage, coords);
        let files = self.tree.durable_files().into_iter();
        let all: Vec<(String, NodeId)> = files
            .filter(|(_, id)| self.durable_sectors(*id) > 0)
            .collect();
        let hit: Vec<_> = all.iter().filter(|(at, _)| at.starts_with(path)).collect();
        let (path, file) = draw.pick(&hit).copied()?.clone();
        let sectors = self.durable_sectors(file);
        let sector = sector.unwrap_or_else(|| draw.below(sectors));
        let done = match trouble {
            Trouble::FlipBit => self.alter(file, sector, |bytes| {
                let bit = draw.below(bytes.len() as u64 * 8);
                bytes[usize::try_from(bit / 8).unwrap_or(0)] ^= 1 << (bit % 8);
            }),
            Trouble::ZeroSector => self.alter(file, sector, |bytes| bytes.fill(0)),
            Trouble::Misdirect => {
                let content = self.other_sector(&mut draw, &all)?;
                self.alter(file, sector, |bytes| {
                    let count = bytes.len().min(content.len());
                    bytes[..count].copy_from_slice(&content[..count]);
                })
            }
            Trouble::Truncate => {
                let end = usize::try_from(sector).unwrap_or(usize::MAX);
                let data = self.tree.file_mut(file)?;
                data.cut(end.saturating_mul(SECTOR))
            }
            Trouble::Remove => self.vanish(&path),
            Trouble::Forge => self.forge(file),
            Trouble::NoSpace
            | Trouble::FailReads
            | Trouble::FailWrites
            | Trouble::FailSyncs
            | Trouble::Locked
            | Trouble::Short
            | Trouble::Interrupt
            | Trouble::Slow => false,
        };
        done.then_some(Strike { trouble, path })
    }

    fn durable_sectors(&self, file: NodeId) -> u64 {
        let len = self.tree.file(file).map_or(0, |data| data.durable_len());
        len.div_ceil(SECTOR) as u64
    }

    fn alter(&mut self, file: NodeId, sector: u64, change: impl FnOnce(&mut [u8])) -> bool {
        let data = self.tree.file_mut(file);
        data.is_some_and(|data| data.alter(sector, change))
    }

    /// Changes the last byte of a file, and the checksum in its first four bytes with it.
    fn forge(&mut self, file: NodeId) -> bool {
        let Some(data) = self.tree.file_mut(file) else {
            return false;
        };
        let mut bytes = data.durable();
        let Some((crc, rest)) = bytes.split_first_chunk_mut::<4>() else {
            return false;
        };
        let Some(last) = rest.last_mut() else {
            return false;
        };
        *last ^= 1;
        *crc = crc32c::crc32c(rest).to_le_bytes();
        let mut changed = false;
        for (sector, new) in (0..).zip(bytes.chunks(SECTOR)) {
            changed |= data.alter(sector, |old| old.copy_from_slice(new));
        }
        changed
    }

    /// The content of a drawn sector of a drawn file.
    fn other_sector(&self, draw: &mut Draw, files: &[(String, NodeId)]) -> Option<Vec<u8>> {
        let (_, file) = draw.pick(files)?;
        let bytes = self.tree.file(*file)?.bytes();
        let sector = usize::try_from(draw.below(self.durable_sectors(*file))).ok()?;
        let end = bytes.len().min((sector + 1) * SECTOR);
        bytes.get(sector * SECTOR..end).map(<[u8]>::to_vec)
    }

    /// A name is gone, now and after a crash. Other names in its directory become durable.
    pub(super) fn vanish(&mut self, path: &str) -> bool {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some((dir, old)) = self.tree.find(dir).zip(self.tree.find(path)) else {
            return false;
        };
        let edit = Edit {
            dir,
            name: name.to_owned(),
            old: Some(old),
            new: None,
        };
        self.tree.change(Change {
            edits: vec![edit],
            path: path.to_owned(),
        });
        self.tree.sync_dir(dir);
        true
    }

    /// The error of a call on `path` that meets a trouble of these, if one does.
    pub(super) fn struck(&mut self, troubles: &[Trouble], path: &str) -> Result<(), StorageError> {
        let Some(met) = troubles.iter().find(|kind| self.meets(**kind, path)) else {
            return Ok(());
        };
        self.strike(*met, path);
        let path = path.to_owned();
        Err(match met {
            Trouble::NoSpace => StorageError::NoSpace { path },
            Trouble::Locked => StorageError::Locked { path },
            Trouble::FlipBit
            | Trouble::ZeroSector
            | Trouble::Misdirect
            | Trouble::Truncate
            | Trouble::Remove
            | Trouble::Forge
            | Trouble::FailReads
            | Trouble::FailWrites
            | Trouble::FailSyncs
            | Trouble::Short
            | Trouble::Interrupt
            | Trouble::Slow => StorageError::Io {
                path,
                what: "input/output error".to_owned(),
            },
        })
    }
}
