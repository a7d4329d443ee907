//! One hand-made violation per oracle, and near misses that must pass.

mod barriers;
mod decisions;
mod single_node;
