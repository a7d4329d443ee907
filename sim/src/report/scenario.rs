//! The reports about scenarios.

use std::io;

use super::{Kept, Origin, Printer, failure, json, seconds};
use crate::{
    explore::Ending,
    scenario::{Invalid, Played, Scenario},
};

impl Printer<'_> {
    /// All scenarios in a table.
    ///
    /// # Errors
    /// What the writer says.
    pub fn scenario_list(&mut self, scenarios: &[Scenario]) -> io::Result<()> {
        if self.form.json {
            return scenarios
                .iter()
                .try_for_each(|scenario| self.json(&object(scenario)));
        }
        let width = scenarios.iter().map(|s| s.name.len()).max().unwrap_or(0);
        let out = &mut *self.out;
        writeln!(out, "  {:<width$}  nodes  {:<9} why", "name", "expects")?;
        for scenario in scenarios {
            let Scenario { name, why, .. } = scenario;
            let nodes = scenario.plan.powers.len();
            let expects = scenario.expect.verdict.name();
            writeln!(out, "  {name:<width$}  {nodes:<5}  {expects:<9} {why}")?;
        }
        out.flush()
    }

    /// A scenario was run.
    ///
    /// # Errors
    /// What the writer says.
    pub fn scenario_played(
        &mut self,
        scenario: &Scenario,
        origin: &Origin,
        played: &Played,
        kept: Option<&Kept>,
    ) -> io::Result<()> {
        let ending = played.ending();
        if self.form.json {
            let mut object = object(scenario);
            object.run = Some(json::run(&played.finished));
            object.unmet = Some(&played.unmet);
            object.exit = Some(ending.exit());
            return self.json(&object);
        }
        let style = self.style();
        let name = &scenario.name;
        if ending == Ending::Pass {
            let outcome = &played.finished.outcome;
            let (heights, time) = (outcome.heights, seconds(outcome.virtual_ms));
            let word = style.good("PASS");
            writeln!(self.out, "{word}   {name}   {heights} heights in {time}")?;
            return self.out.flush();
        }
        let word = style.bad("FAIL");
        writeln!(self.out, "{word}   {name}   {}", scenario.why)?;
        for unmet in &played.unmet {
            writeln!(self.out, "       {unmet}")?;
        }
        if played.finished.ending() != Ending::Pass {
            writeln!(self.out)?;
            failure::write(self.out, origin, &played.finished, kept, style)?;
        }
        self.out.flush()
    }

    /// All scenarios were run.
    ///
    /// # Errors
    /// What the writer says.
    pub fn scenarios_end(&mut self, passed: usize, all: usize, wall_ms: u64) -> io::Result<()> {
        if self.form.json || all < 2 {
            return Ok(());
        }
        let style = self.style();
        let word = if passed == all {
            style.good("PASS")
        } else {
            style.bad("FAIL")
        };
        let wall = seconds(wall_ms);
        writeln!(self.out, "{word}   {passed} of {all} in {wall} wall")?;
        self.out.flush()
    }

    /// A scenario file is valid, or not.
    ///
    /// # Errors
    /// What the writer says.
    pub fn scenario_checked(&mut self, checked: Result<&Scenario, &Invalid>) -> io::Result<()> {
        match checked {
            Ok(scenario) if self.form.json => self.json(&object(scenario)),
            Ok(scenario) => {
                writeln!(self.out, "{}: valid", scenario.path.display())?;
                self.out.flush()
            }
            Err(invalid) => self.complain(invalid),
        }
    }
}

fn object(scenario: &Scenario) -> json::Scenario<'_> {
    json::Scenario {
        schema: "sim.scenario/1",
        name: &scenario.name,
        path: scenario.path.display().to_string(),
        validators: scenario.plan.powers.len(),
        expects: scenario.expect.verdict.name(),
        why: &scenario.why,
        run: None,
        unmet: None,
        exit: None,
    }
}
