//! Each kind of fault does what its words say, can be switched off, and is in the list of faults.

use std::path::Path;

use engine::types::{PeerId, Span};
use sim::{
    clock::START,
    nemesis::{FAULTS, FaultKind, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions, Verdict},
    runtime, scenario,
    trace::{Event, What},
};

/// A network of four with small links, and what the text adds.
fn plan(text: &str) -> Plan {
    let head = "why = \"a test\"\ncrypto = \"ideal\"\nheights = 8\n";
    let whole = format!("{head}{text}");
    match scenario::parse(Path::new("test.toml"), &whole) {
        Ok(scenario) => scenario.plan,
        Err(error) => panic!("{error}"),
    }
}

fn traced(plan: &Plan) -> Outcome {
    let options = RunOptions {
        trace: true,
        ..RunOptions::default()
    };
    let outcome = runtime::run(plan, options);
    let found = &outcome.violations;
    assert_eq!(
        outcome.verdict,
        Verdict::Pass,
        "{found:?} {:?}",
        outcome.panic
    );
    outcome
}

fn run(text: &str) -> Outcome {
    traced(&plan(text))
}

fn count(outcome: &Outcome, what: &str) -> u64 {
    outcome.faults.get(what).copied().unwrap_or(0)
}

/// The events of a node from one millisecond to another, both excluded.
fn events_of(outcome: &Outcome, node: u16, from_ms: u64, to_ms: u64) -> Vec<&Event> {
    let at = |ms| START.after(Span::millis(ms));
    let inside = |event: &&Event| event.time > at(from_ms) && event.time < at(to_ms);
    let of = |event: &&Event| event.node == Some(PeerId(node));
    outcome.trace.iter().filter(inside).filter(of).collect()
}

#[test]
fn a_partial_cut_separates_its_pair_and_nobody_else() {
    let outcome = run("[[fault]]\nat = { ms = 0 }\nkind = \"partial\"\n\
                       pairs = [[0, 1]]\nfor_ms = 500\n");
    let mut cut = std::collections::BTreeSet::new();
    let mut sent = std::collections::BTreeMap::new();
    for event in &outcome.trace {
        if let What::Sent { packet, to, .. } = event.what {
            sent.insert(packet, (event.node.expect("a sender").0, to.0));
        } else if let What::Dropped {
            packet,
            reason: "cut",
        } = event.what
        {
            cut.insert(sent[&packet]);
        }
    }
    assert_eq!(cut.into_iter().collect::<Vec<_>>(), [(0, 1), (1, 0)]);
}

#[test]
fn a_node_that_is_alone_hears_nothing() {
    let outcome = run("[[fault]]\nat = { ms = 100 }\nkind = \"isolate\"\nnode = 2\nfor_ms = 400\n");
    // What was under way arrives.
    let heard = events_of(&outcome, 2, 130, 500);
    let heard = heard
        .iter()
        .filter(|e| matches!(e.what, What::Delivered { .. }));
    assert_eq!(heard.count(), 0);
    assert!(count(&outcome, "cut") > 0);
}

#[test]
fn a_star_goes_on_through_its_centre_and_a_ring_around() {
    for shape in ["ring", "star"] {
        let text = format!(
            "powers = [1, 1, 1, 1, 1]\n[[fault]]\nat = {{ ms = 0 }}\nkind = \"topology\"\n\
             shape = \"{shape}\"\norder = [3, 1, 0, 2, 4]\nfor_ms = 3000\n"
        );
        let outcome = run(&text);
        let decided = |e: &&Event| matches!(e.what, What::Decided { .. });
        let at = START.after(Span::millis(3_000));
        let early = outcome.trace.iter().filter(|e| e.time < at).filter(decided);
        assert!(early.count() >= 5, "gossip carries votes over others");
        assert!(count(&outcome, "cut") > 0);
    }
}

#[test]
fn a_clogged_link_holds_everything_and_lets_go_at_once() {
    let outcome = run(
        "[[fault]]\nat = { ms = 100 }\nkind = \"clog\"\nfrom = [0, 1, 2]\n\
                       to = [3]\nfor_ms = 600\n",
    );
    let heard = |from, to| {
        let events = events_of(&outcome, 3, from, to);
        let heard = events
            .iter()
            .filter(|e| matches!(e.what, What::Delivered { .. }));
        heard.count() as u64
    };
    assert_eq!(heard(130, 700), 0);
    assert!(count(&outcome, "clogged") > 5);
    assert!(heard(700, 721) >= count(&outcome, "clogged"), "a burst");
    assert_eq!(count(&outcome, "loss") + count(&outcome, "cut"), 0);
}

#[test]
fn a_flapping_link_goes_down_as_often_as_it_says() {
    let outcome = run(
        "[[fault]]\nat = { ms = 0 }\nkind = \"flap\"\nfrom = [0, 1]\nto = [2, 3]\n\
                       down_ms = 150\nup_ms = 200\ntimes = 3\n",
    );
    let cut = |event: &&Event| matches!(event.what, What::Dropped { reason: "cut", .. });
    let place = |event: &Event| event.time.since(START).0 / 1_000_000;
    let times: Vec<u64> = outcome.trace.iter().filter(cut).map(place).collect();
    assert!(
        times.iter().all(|ms| ms % 350 <= 150 && *ms < 900),
        "{times:?}"
    );
    for down in 0..3 {
        assert!(times.iter().any(|ms| ms / 350 == down), "{times:?}");
    }
}

#[test]
fn damaged_frames_are_dropped_and_those_of_liars_refused() {
    let outcome = run("[links]\ncorrupt_ppm = 200000\n");
    assert!(count(&outcome, "corrupt") > 20);
    assert_eq!(count(&outcome, "corrupt_through"), 0);
    let refused = |outcome: &Outcome| {
        let blamed = |e: &&Event| matches!(e.what, What::Rejected { blames: true, .. });
        outcome.trace.iter().filter(blamed).count()
    };
    assert_eq!(refused(&outcome), 0, "nobody lied");
    let outcome = run("[[byzantine]]\nnode = 1\nbehaviour = \"equivocate\"\n\
                       [links]\ncorrupt_ppm = 200000\n");
    assert!(count(&outcome, "corrupt_through") > 5);
    assert!(refused(&outcome) > 3);
}

#[test]
fn who_is_cut_off_hangs_up_and_connects_again() {
    let links = "[links]\nhangup_ppm = 1000000\nhangup_after_ms = 50\n";
    let cut = "[[fault]]\nat = { ms = 0 }\nkind = \"partition\"\ngroups = [[0, 1], [2, 3]]\n\
               for_ms = 400\n";
    let outcome = run(&format!("{links}{cut}"));
    assert_eq!(count(&outcome, "disconnect"), 4, "each pair once");
    let across = events_of(&outcome, 0, 60, 400);
    let across = across
        .iter()
        .filter(|e| matches!(e.what, What::Sent { to, .. } if to.0 > 1));
    assert_eq!(across.count(), 0, "nothing is sent without a connection");
    let crash =
        "[[fault]]\nat = { ms = 100 }\nkind = \"crash\"\nnode = 1\nrestart_after_ms = 300\n";
    assert_eq!(count(&run(&format!("{links}{crash}")), "disconnect"), 3);
    let short = crash.replace("300", "10");
    assert_eq!(count(&run(&format!("{links}{short}")), "disconnect"), 0);
}

#[test]
fn a_paused_node_does_nothing_and_then_everything() {
    let outcome = run("[[fault]]\nat = { ms = 100 }\nkind = \"pause\"\nnode = 1\nfor_ms = 500\n");
    assert_eq!(events_of(&outcome, 1, 100, 600).len(), 0);
    let at = START.after(Span::millis(600));
    let heard = |e: &&Event| e.time == at && matches!(e.what, What::Delivered { .. });
    assert!(outcome.trace.iter().filter(heard).count() > 10);
    assert_eq!(count(&outcome, "down"), 0, "a paused node is not down");
}

#[test]
fn no_timer_fires_while_its_clock_stands() {
    let frozen = "[[fault]]\nat = { ms = 100 }\nkind = \"clock_freeze\"\nnode = 1\nfor_ms = 700\n";
    let fired = |text: &str| {
        let outcome = run(text);
        let events = events_of(&outcome, 1, 100, 800);
        let fired = events
            .iter()
            .filter(|e| matches!(e.what, What::Fired { .. }));
        fired.count()
    };
    assert_eq!(fired(frozen), 0);
    assert!(fired("") > 2);
}

#[test]
fn clocks_that_jump_and_drift_stop_nobody() {
    let outcome = run(
        "[[fault]]\nat = { ms = 100 }\nkind = \"clock_step\"\nnode = 0\n\
                       by_ms = -3000\n[[fault]]\nat = { ms = 150 }\nkind = \"clock_step\"\n\
                       node = 1\nby_ms = 5000\n[[fault]]\nat = { ms = 0 }\n\
                       kind = \"clock_drift\"\nnode = 2\nppm = -500000\nfor_ms = 1000\n",
    );
    assert_eq!(
        (
            count(&outcome, "clock_step"),
            count(&outcome, "clock_drift")
        ),
        (2, 1)
    );
    assert_eq!(outcome.plan.most_set_back_ms(), 3_000);
}

#[test]
fn all_may_crash_at_once_and_one_again_and_again() {
    let all = run("[[fault]]\nat = { ms = 200 }\nkind = \"crash_many\"\nrestart_after_ms = 100\n");
    assert_eq!((count(&all, "crash_many"), count(&all, "restart")), (1, 4));
    let again = run(
        "[[fault]]\nat = { ms = 50 }\nkind = \"crash_loop\"\nnode = 3\ntimes = 4\n\
                     down_ms = 40\nup_ms = 30\ndisk = \"lost\"\n",
    );
    let crashes = again
        .trace
        .iter()
        .filter(|e| matches!(e.what, What::Crashed));
    assert_eq!((crashes.count(), count(&again, "restart")), (4, 4));
}

#[test]
fn a_node_without_its_own_disk_is_not_judged_and_does_not_stop_the_others() {
    let old = run(
        "[[fault]]\nat = { ms = 60 }\nkind = \"old_disk\"\nnode = 2\n\
                   crash_after_ms = 140\nrestart_after_ms = 50\n",
    );
    assert!(!old.plan.is_correct(2) && old.plan.is_correct(1));
    let restarted = |e: &Event| {
        let again = matches!(e.what, What::Started { incarnation: 1, .. });
        if let What::Started { height, .. } = e.what {
            again.then_some(height.0)
        } else {
            None
        }
    };
    let back_to = old
        .trace
        .iter()
        .find_map(restarted)
        .expect("it starts again");
    let behind = |e: &&Event| matches!(e.what, What::Decided { height, .. } if height.0 > back_to);
    let crash = START.after(Span::millis(200));
    let before = old
        .trace
        .iter()
        .filter(|e| e.node == Some(PeerId(2)) && e.time < crash);
    assert!(
        before.clone().filter(behind).count() > 0,
        "it has forgotten decisions"
    );

    let empty = run(
        "[[fault]]\nat = { ms = 200 }\nkind = \"empty_disk\"\nnode = 2\n\
                     restart_after_ms = 50\n",
    );
    assert_eq!(empty.trace.iter().find_map(restarted), Some(0));

    let foreign = run(
        "[[fault]]\nat = { ms = 200 }\nkind = \"foreign_disk\"\nnode = 2\nof = 0\n\
                       restart_after_ms = 50\n",
    );
    let refused = |e: &Event| matches!(&e.what, What::StartRefused { .. });
    let refused = foreign.trace.iter().any(refused);
    assert!(refused, "another's sign state is found out");
}

#[test]
fn a_swapped_disk_needs_power_to_spare() {
    let text = "why = \"x\"\npowers = [1, 1, 1]\n[[fault]]\nat = { ms = 0 }\n\
                kind = \"empty_disk\"\nnode = 2\nrestart_after_ms = 50\n";
    let error = scenario::parse(Path::new("test.toml"), text).expect_err("too much power");
    assert!(error.to_string().contains("one third"), "{error}");
    let off = text.replace("node = 2", "node = 2\noff = true");
    assert!(scenario::parse(Path::new("test.toml"), &off).is_ok());
}

#[test]
fn a_key_on_two_machines_signs_for_both_and_the_others_go_on() {
    let text = "powers = [1, 1, 1, 1, 0]\n[[fault]]\nat = { ms = 150 }\n\
                kind = \"second_instance\"\nnode = 3\non = 4\n";
    let outcome = run(text);
    assert!(!outcome.plan.is_correct(3) && !outcome.plan.is_correct(4));
    let begins = START.after(Span::millis(150));
    let on_four = outcome.trace.iter().filter(|e| e.node == Some(PeerId(4)));
    let starts = |e: &&Event| matches!(e.what, What::Started { height, .. } if height.0 > 0);
    let first = on_four.clone().find(starts).expect("it starts");
    assert_eq!(first.time, begins);
    let decides = |e: &Event| matches!(e.what, What::Decided { .. });
    assert!(on_four.clone().any(decides), "it works");
    let ever_stopped = |e: &Event| e.node == Some(PeerId(3)) && matches!(e.what, What::Crashed);
    assert!(
        !outcome.trace.iter().any(ever_stopped),
        "the first instance goes on"
    );
    // Switched off, the machine is an observer with its own key.
    let off = run(&text.replace("on = 4", "on = 4\noff = true"));
    assert!(off.plan.is_correct(3) && off.plan.is_correct(4));
    let starts = off.trace.iter().find(|e| e.node == Some(PeerId(4)));
    assert_eq!(starts.map(|e| e.time), Some(START));
}

#[test]
fn a_second_instance_needs_a_machine_of_its_own_and_power_to_spare() {
    let fault = "[[fault]]\nat = { ms = 0 }\nkind = \"second_instance\"\nnode = 1\non = 4\n";
    let wrong = |head: &str, faults: &str| {
        let text = format!("why = \"x\"\n{head}\n{faults}");
        let error = scenario::parse(Path::new("test.toml"), &text).expect_err(head);
        error.to_string()
    };
    let own = "a node of its own with power 0";
    assert!(wrong("powers = [1, 1, 1, 1, 1]", fault).contains(own));
    let five = "powers = [1, 1, 1, 1, 0]";
    assert!(wrong(five, &fault.replace("node = 1", "node = 4")).contains(own));
    assert!(
        wrong(
            five,
            &format!("{fault}{}", fault.replace("node = 1", "node = 2"))
        )
        .contains(own)
    );
    let liar = format!("{five}\nbyzantine = [{{ node = 1, behaviour = \"silent\" }}]");
    assert!(wrong(&liar, fault).contains("not byzantine otherwise"));
    assert!(wrong("powers = [1, 1, 1, 0, 0]", fault).contains("one third"));
}

/// Plans of seeds that have a fault of each kind.
fn of_each_kind() -> Vec<(&'static str, Plan)> {
    let mut found: Vec<(&'static str, Plan)> = Vec::new();
    for seed in 0..300 {
        let plan = draw(seed, &Overrides::default()).expect("a plan");
        for fault in &plan.faults {
            let name = fault.kind.name();
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, plan.clone()));
            }
        }
    }
    found
}

#[test]
fn seeds_draw_every_kind_each_is_documented_and_each_can_be_switched_off() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FAULTS.md");
    let text = std::fs::read_to_string(root).expect("a document");
    let kinds = of_each_kind();
    let mut names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
    let mut known = FAULTS.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
    for (name, mut plan) in kinds {
        assert!(
            text.contains(&format!("\n| `{name}` |")),
            "{name} has no row"
        );
        assert!(
            text.contains(&format!("**{name}**")),
            "{name} promises nothing"
        );
        plan.crypto = sim::nemesis::CryptoMode::Ideal;
        for fault in &mut plan.faults {
            fault.off = fault.kind.name() == name;
        }
        let outcome = runtime::run(&plan, RunOptions::default());
        assert_eq!(
            outcome.verdict,
            Verdict::Pass,
            "{name}: {:?}",
            outcome.violations
        );
        assert_eq!(count(&outcome, name), 0);
    }
}

#[test]
fn the_words_of_a_fault_tell_every_number() {
    for (name, plan) in of_each_kind() {
        let faults = plan.faults.iter().map(|fault| &fault.kind);
        for kind in faults.filter(|kind: &&FaultKind| kind.name() == name) {
            let words = kind.to_string();
            for node in kind.nodes() {
                assert!(words.contains(&format!("n{node}")), "{words}");
            }
        }
    }
}
