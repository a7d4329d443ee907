//! What the engine tells about itself through `tracing`, as lines of text.

use tracing::Level;
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Writes the engine's events up to `level` from now on, for the whole process; returns false if
/// they are written already.
///
/// A line has the level, the spans (node and time of the world, then the step) and the event. It
/// has no time of its own, so the log of a run is the same every time.
pub fn log_engine<W>(level: Level, writer: W) -> bool
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .without_time()
        .with_target(false)
        .with_ansi(false);
    let ours = Targets::new()
        .with_target("engine", level)
        .with_target("sim", level);
    let subscriber = tracing_subscriber::registry().with(ours).with(lines);
    subscriber.try_init().is_ok()
}
