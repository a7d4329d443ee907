//! What a sweep reached: each marker with its seeds. Pure.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::markers::{Marker, Reached};

/// In how many seeds each marker was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers([Hits; Marker::ALL.len()]);

/// The seeds that reached a marker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    /// How many.
    pub seeds: u64,
    /// The first of them.
    pub first: Option<u64>,
}

impl Default for Markers {
    fn default() -> Self {
        Self([Hits::default(); Marker::ALL.len()])
    }
}

impl Markers {
    /// A seed reached these.
    pub fn add(&mut self, seed: u64, reached: Reached) {
        for marker in reached.iter() {
            let hits = &mut self.0[marker as usize];
            hits.seeds += 1;
            hits.first = Some(hits.first.map_or(seed, |first| first.min(seed)));
        }
    }

    /// Every marker and who reached it.
    pub fn iter(&self) -> impl Iterator<Item = (Marker, Hits)> {
        Marker::ALL.into_iter().zip(self.0)
    }

    /// Those that no seed reached.
    #[must_use]
    pub fn missed(&self) -> Vec<Marker> {
        let missed = self.iter().filter(|(_, hits)| hits.seeds == 0);
        missed.map(|(marker, _)| marker).collect()
    }
}

/// By name.
impl Serialize for Markers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Marker::ALL.len()))?;
        for (marker, hits) in self.iter() {
            map.serialize_entry(marker.name(), &hits)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_count_seeds_and_keep_the_first() {
        let mut reached = Reached::default();
        reached.mark(Marker::Relocked);
        let mut markers = Markers::default();
        for seed in [7, 3, 9] {
            markers.add(seed, reached);
        }
        let missed = markers.missed();
        assert_eq!(missed.len(), Marker::ALL.len() - 1);
        assert!(!missed.contains(&Marker::Relocked));
        let json = serde_json::to_value(&markers).unwrap();
        assert_eq!(json["relock"], serde_json::json!({"seeds": 3, "first": 3}));
        let never = serde_json::json!({"seeds": 0, "first": null});
        assert_eq!(json["unlock"], never);
    }
}
