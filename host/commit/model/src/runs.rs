//! Within which bounds the protocol holds, and that each rule is needed.

use std::time::Instant;

use stateright::{Checker, Model};
use transom_commit::Mutant;

use super::world::{Budget, World};

/// Searches all that can happen; the shortest way to a wrong state, if there is one.
fn search(name: &str, world: World) -> Option<String> {
    let begin = Instant::now();
    let checker = world.clone().checker().threads(1).spawn_bfs().join();
    let figures = format!(
        "{name}: {} states, {} steps deep, {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        begin.elapsed().as_secs_f64()
    );
    println!("{figures}");
    let path = checker.discovery("right")?;
    let steps = path.into_vec();
    let mut trace = figures;
    for (number, (state, action)) in steps.iter().enumerate() {
        match action {
            Some(action) => {
                trace += &format!("\n{:4}  {}", number + 1, world.describe(state, action));
            }
            None => {
                trace += &format!(
                    "\n      {}",
                    world.wrong(state).expect("a path to a wrong state")
                );
            }
        }
    }
    Some(trace)
}

fn holds(name: &str, world: World) {
    if let Some(trace) = search(name, world) {
        panic!("{trace}");
    }
}

fn fails(name: &str, world: World) {
    let trace = search(name, world)
        .unwrap_or_else(|| panic!("{name}: nothing goes wrong without the rule"));
    println!("{trace}");
}

#[test]
fn f1_a_kill_a_lost_answer_a_late_request_and_a_rewind() {
    let budget = Budget {
        kill: 1,
        lost: 1,
        late: 1,
        rewind: 1,
        ..Budget::default()
    };
    holds(
        "F1",
        World {
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f2_two_warehouses_of_which_the_second_refuses() {
    let budget = Budget {
        refuse: [0, 1],
        fix: 1,
        discard: 1,
        late: 1,
        kill: 1,
        ..Budget::default()
    };
    holds(
        "F2",
        World {
            warehouses: 2,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f3_a_pointer_a_rewind_and_a_late_request() {
    let budget = Budget {
        rewind: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F3",
        World {
            pointer: true,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f4_a_refusal_a_discard_a_gc_and_a_late_request() {
    let budget = Budget {
        refuse: [1, 0],
        fix: 1,
        discard: 1,
        late: 1,
        gc: 1,
        ..Budget::default()
    };
    holds(
        "F4",
        World {
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f5_several_slices_a_kill_and_a_late_request() {
    let budget = Budget {
        kill: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F5",
        World {
            several: true,
            pointer: true,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f6_two_late_requests_and_a_rewind() {
    let budget = Budget {
        late: 2,
        rewind: 1,
        ..Budget::default()
    };
    holds(
        "F6",
        World {
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f7_files_alone_with_all_that_can_happen_to_them() {
    let budget = Budget {
        kill: 1,
        lost: 1,
        late: 1,
        rewind: 1,
        gc: 1,
        ..Budget::default()
    };
    holds(
        "F7",
        World {
            warehouses: 0,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f8_two_first_runs() {
    let budget = Budget {
        kill: 1,
        lost: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F8",
        World {
            bare: true,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f9_a_rewind_whose_empty_files_are_deleted_later() {
    let budget = Budget {
        kill: 1,
        rewind: 1,
        late: 1,
        clear: 1,
        ..Budget::default()
    };
    holds(
        "F9",
        World {
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f10_a_rewind_to_a_slice() {
    let budget = Budget {
        rewind: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F10",
        World {
            several: true,
            rewind_to: 2,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f11_a_warehouse_that_is_skipped() {
    let budget = Budget {
        refuse: [0, 1],
        skip: 1,
        fix: 1,
        kill: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F11",
        World {
            warehouses: 2,
            budget,
            ..World::default()
        },
    );
}

#[test]
fn f12_two_rewinds_of_files() {
    let budget = Budget {
        rewind: 2,
        kill: 1,
        late: 1,
        ..Budget::default()
    };
    holds(
        "F12",
        World {
            warehouses: 0,
            budget,
            ..World::default()
        },
    );
}

fn late_deletions(budget: Budget) -> World {
    World {
        warehouses: 0,
        late_deletions: true,
        budget: Budget {
            rewind: 1,
            clear: 1,
            late: 1,
            ..budget
        },
        ..World::default()
    }
}

fn two_rewinds(budget: Budget) -> World {
    World {
        commands: 2,
        budget: Budget {
            rewind: 2,
            ..budget
        },
        ..World::default()
    }
}

fn two_discards(budget: Budget) -> World {
    World {
        files: false,
        commands: 2,
        budget: Budget {
            refuse: [1, 0],
            fix: 1,
            discard: 2,
            ..budget
        },
        ..World::default()
    }
}

#[test]
fn f13_deletions_that_are_late() {
    holds("F13", late_deletions(Budget::default()));
}

#[test]
fn f14_two_rewinds_at_the_same_time() {
    holds("F14", two_rewinds(Budget::default()));
}

#[test]
fn f15_two_discards_at_the_same_time() {
    holds("F15", two_discards(Budget::default()));
}

fn twice(budget: Budget) -> World {
    World {
        pointer: true,
        late_deletions: true,
        budget: Budget {
            twice: 1,
            rewind: 1,
            ..budget
        },
        ..World::default()
    }
}

#[test]
fn f16_requests_that_are_carried_out_twice() {
    holds("F16", twice(Budget::default()));
}

#[test]
fn f17_a_rewind_and_a_gc_at_the_same_time() {
    let budget = Budget {
        rewind: 1,
        gc: 1,
        kill: 1,
        ..Budget::default()
    };
    holds(
        "F17",
        World {
            warehouses: 0,
            commands: 2,
            budget,
            ..World::default()
        },
    );
}

#[test]
#[ignore = "takes some minutes"]
fn f13_to_f16_with_more_faults() {
    holds(
        "F13",
        late_deletions(Budget {
            gc: 1,
            lost: 1,
            ..Budget::default()
        }),
    );
    holds(
        "F14",
        two_rewinds(Budget {
            late: 1,
            ..Budget::default()
        }),
    );
    holds(
        "F15",
        two_discards(Budget {
            kill: 1,
            ..Budget::default()
        }),
    );
    holds(
        "F16",
        twice(Budget {
            kill: 1,
            ..Budget::default()
        }),
    );
}

#[test]
fn mutants_are_found() {
    let m = |name: &str, mutant: Mutant, world: World| {
        fails(
            name,
            World {
                mutant: Some(mutant),
                sample: u64::MAX,
                ..world
            },
        );
    };
    let base = World::default;
    let budget = Budget::default;
    let refusal = || Budget {
        refuse: [1, 0],
        fix: 1,
        discard: 1,
        ..budget()
    };
    m(
        "next_before_applied",
        Mutant::NextBeforeApplied,
        World {
            several: true,
            budget: Budget {
                kill: 1,
                ..budget()
            },
            ..base()
        },
    );
    m("nonce_guard", Mutant::NonceGuard, base());
    m(
        "claim_stays",
        Mutant::ClaimStays,
        World {
            budget: Budget {
                twice: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "loser_cleans_up",
        Mutant::LoserCleansUp,
        World {
            budget: Budget {
                lost: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "gc_without_entry",
        Mutant::GcWithoutEntry,
        World {
            budget: Budget { gc: 1, ..budget() },
            ..base()
        },
    );
    m(
        "files_before_warehouse",
        Mutant::FilesBeforeWarehouse,
        World {
            budget: refusal(),
            ..base()
        },
    );
    m(
        "rewind_deletes",
        Mutant::RewindDeletes,
        World {
            budget: Budget {
                rewind: 1,
                late: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "discard_without_block",
        Mutant::DiscardWithoutBlock,
        World {
            budget: refusal(),
            ..base()
        },
    );
    m(
        "pointer_unchecked",
        Mutant::PointerUnchecked,
        World {
            several: true,
            pointer: true,
            ..base()
        },
    );
    m(
        "done_before_files",
        Mutant::DoneBeforeFiles,
        World {
            budget: Budget {
                kill: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "log_entry_deleted",
        Mutant::LogEntryDeleted,
        World {
            warehouses: 0,
            several: true,
            budget: Budget {
                forget: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "block_elsewhere",
        Mutant::BlockElsewhere,
        World {
            warehouses: 2,
            budget: Budget {
                refuse: [0, 1],
                fix: 1,
                discard: 1,
                ..budget()
            },
            ..base()
        },
    );
    m(
        "rewind_leaves_staged",
        Mutant::RewindLeavesStaged,
        World {
            budget: Budget {
                rewind: 1,
                clear: 1,
                ..budget()
            },
            ..base()
        },
    );
}
