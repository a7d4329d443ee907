//! The simulator's binary. Everything is in the library.

fn main() -> std::process::ExitCode {
    sim::cli::main()
}
