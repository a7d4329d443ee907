//! Writes the schedule that an input of the fuzz target `schedule` stands for:
//! `cargo run -q -p sim --example schedule_of -- crash-1234 > schedule.toml`.

use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        return ExitCode::from(2);
    };
    let text = std::fs::read(path)
        .ok()
        .and_then(|bytes| sim::fuzz::text_of(&bytes));
    let written = text.map(|text| std::io::stdout().write_all(text.as_bytes()));
    match written {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}
