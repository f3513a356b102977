//! Attacks the built binary and says whether each case had its end.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use clap::Parser;
use hostile::{Class, Selection, all, run};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "bastide-hostile", about = "Floods, slow clients, broken TLS and bad certificates against the built binary")]
struct Arguments {
    /// Only the cases with this in their name, or of this class; may be given more than once
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Run nothing, print what there is
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for class in Class::ALL {
            let cases: Vec<_> = all().into_iter().filter(|case| case.class == class).collect();
            println!("{}: {} kinds, at least {}", class.name(), cases.len(), class.least());
            for case in cases {
                println!("  {:<64} {}", case.name, case.want);
            }
        }
        return ExitCode::SUCCESS;
    }
    let report = run(&Selection { only: arguments.only });
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
