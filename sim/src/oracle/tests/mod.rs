//! One hand-made violation per oracle, and near misses that must pass.

mod accountability;
mod barriers;
mod decisions;
mod disks;
mod evidence;
mod model;
mod quorums;
mod refinement;
mod sets;
mod single_node;
mod stable;
