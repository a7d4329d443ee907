//! What seeds draw.

use std::collections::BTreeSet;

use super::*;
use crate::nemesis::FaultKind;

#[test]
fn a_seed_draws_the_same_plan_twice_and_seeds_differ() {
    let plan = |seed| draw(seed, &Overrides::default()).unwrap();
    assert_eq!(plan(7), plan(7));
    assert!((0..50).any(|seed| plan(seed).faults != plan(seed + 1).faults));
}

#[test]
fn byzantine_power_stays_below_one_third_unless_allowed() {
    for seed in 0..500 {
        let plan = draw(seed, &Overrides::default()).unwrap();
        let power = |b: &Byzantine| plan.powers[usize::from(b.node)];
        let faulty: u64 = plan.byzantine.iter().map(power).sum();
        assert!(3 * faulty < plan.powers.iter().sum(), "seed {seed}");
        assert!(plan.is_within_one_third(), "seed {seed}");
    }
    let two = Overrides {
        validators: Some(4),
        byzantine: Some(2),
        ..Overrides::default()
    };
    let error = draw(1, &two).unwrap_err();
    assert!(error.contains("--beyond-one-third"), "{error}");
    let allowed = Overrides {
        beyond_one_third: true,
        ..two
    };
    assert_eq!(draw(1, &allowed).unwrap().byzantine.len(), 2);
}

#[test]
fn disk_faults_means_one_for_each_disk_at_least_and_some_break() {
    let disks = Overrides {
        disk_faults: true,
        ..Overrides::default()
    };
    let mut broken = 0;
    for seed in 0..200 {
        let plan = draw(seed, &disks).unwrap();
        let mut hit = BTreeSet::new();
        for fault in &plan.faults {
            if let FaultKind::Disk { node, .. } = fault.kind {
                hit.insert(node);
            }
        }
        assert_eq!(hit.len(), plan.powers.len(), "seed {seed}");
        assert!(plan.can_do_without_broken(), "seed {seed}");
        broken += usize::from(!plan.broken().is_empty());
    }
    assert!(broken > 50, "{broken}");
}

#[test]
fn no_faults_means_none() {
    let calm = Overrides {
        no_faults: true,
        ..Overrides::default()
    };
    for seed in 0..100 {
        let plan = draw(seed, &calm).unwrap();
        assert!(plan.faults.is_empty() && plan.byzantine.is_empty());
        assert!(plan.clock_offsets_ms.is_empty());
        assert_eq!((plan.link.loss_ppm, plan.link.duplicate_ppm), (0, 0));
    }
}

#[test]
fn a_quarter_of_the_runs_waits_for_transactions_and_those_that_only_wait_have_some() {
    let plan = |seed| draw(seed, &Overrides::default()).unwrap();
    let plans: Vec<_> = (0..400).map(plan).collect();
    let of = |plan: &&Plan| plan.timeouts.empty_blocks;
    let waiting = plans.iter().filter(|p| of(p) != EmptyBlocksMs::Always);
    assert!((60..140).contains(&waiting.count()));
    let mut never = plans.iter().filter(|p| of(p) == EmptyBlocksMs::Never);
    assert!(never.all(|plan| plan.tx_every_ms > 0));
}

#[test]
fn impossible_wishes_are_answered_with_a_remedy() {
    let none = Overrides {
        validators: Some(0),
        ..Overrides::default()
    };
    assert_eq!(
        draw(1, &none).unwrap_err(),
        "--validators takes 1 to 128, not 0"
    );
    let flat = Overrides {
        heights: Some(0),
        ..Overrides::default()
    };
    assert!(draw(1, &flat).unwrap_err().contains("--heights 1"));
}

#[test]
fn a_plan_survives_being_written_down() {
    for seed in 0..200 {
        let plan = draw(seed, &Overrides::default()).unwrap();
        let text = toml::to_string(&plan).unwrap();
        assert_eq!(toml::from_str::<Plan>(&text).unwrap(), plan, "{text}");
    }
}

#[test]
fn a_quarter_of_the_runs_has_disks_in_trouble_and_the_rest_can_do_without_those_that_break() {
    let plan = |seed| draw(seed, &Overrides::default()).unwrap();
    let plans: Vec<_> = (0..400).map(plan).collect();
    let troubled = |plan: &&Plan| {
        let mut kinds = plan.faults.iter().map(|fault| &fault.kind);
        kinds.any(|kind| matches!(kind, FaultKind::Disk { .. }))
    };
    assert!((60..140).contains(&plans.iter().filter(troubled).count()));
    let breaking = plans.iter().filter(|plan| !plan.broken().is_empty());
    assert!(breaking.count() >= 20);
    assert!(plans.iter().all(Plan::can_do_without_broken));
}
