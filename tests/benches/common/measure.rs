//! Measuring contenders against each other, and the table of what came out.
//!
//! A machine is never as fast as it was a minute ago, so no figure stands alone: contenders take turns within one loop, and what
//! is judged is the ratio of their medians.

use std::fmt::Write;
use std::time::{Duration, Instant};

use transom_plugin::Timing;

use super::Result;

/// One thing to be measured; called once per round.
pub(crate) type Contender<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The median time of each contender over `rounds` rounds, in which they take turns; a tenth as many rounds go before to warm up.
pub(crate) fn interleaved<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> Result<[Duration; N]> {
    taking_turns(rounds, |contender| {
        let start = Instant::now();
        contenders[contender]()?;
        Ok(start.elapsed())
    })
}

/// As [`interleaved`], for contenders whose time is not simply that of a call: `run` gets a contender's number and says its time.
pub(crate) fn taking_turns<const N: usize>(
    rounds: usize,
    mut run: impl FnMut(usize) -> Result<Duration>,
) -> Result<[Duration; N]> {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    let warm_up = rounds.div_ceil(10);
    for round in 0..warm_up + rounds {
        for (contender, times) in times.iter_mut().enumerate() {
            let took = run(contender)?;
            if round >= warm_up {
                times.push(took);
            }
        }
    }
    Ok(times.map(|mut times| median(&mut times)))
}

/// The middle one of some times, of which there is at least one.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    let middle = times.len() / 2;
    *times.select_nth_unstable(middle).1
}

/// The processor time that this thread takes for `call`. On a machine with other work it says more than the clock does: long calls
/// are interrupted more often than short ones, which would look as if they were slower.
pub(crate) fn processor_time<T>(call: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let before = clock(libc::CLOCK_THREAD_CPUTIME_ID)?;
    let made = call()?;
    let time = clock(libc::CLOCK_THREAD_CPUTIME_ID)? - before;
    // What is made is not a part of making it.
    drop(made);
    Ok(time)
}

/// The processor time of all threads of this process so far.
pub(crate) fn all_threads() -> Result<Duration> {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(clock: libc::clockid_t) -> Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a place of its type that lives beyond the call.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => {
            let seconds = Duration::from_secs(time.tv_sec.try_into()?);
            Ok(seconds + Duration::from_nanos(time.tv_nsec.try_into()?))
        }
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// What a ratio is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Ours takes at most so many times as long as the baseline.
    Slower(f64),
    /// Ours is at least so many times as fast as the baseline.
    Faster(f64),
    /// Ours takes at most so long, whatever the baseline does.
    Within(Duration),
    /// Shown, not judged.
    None,
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// What is compared.
    pub(crate) name: String,
    /// With what, and how long that took.
    pub(crate) baseline: (&'static str, Duration),
    /// How long ours took.
    pub(crate) ours: Duration,
    /// What the ratio is to reach.
    pub(crate) target: Target,
    /// Where the plugin's calls spent our time, if that is of interest.
    pub(crate) split: Option<Timing>,
}

/// The comparisons as a Markdown table.
pub(crate) fn report(comparisons: &[Comparison]) -> String {
    let mut table = String::from(
        "| what | baseline | its time | ours | ratio | target | met | of ours: in / guest / out |\n\
         | --- | --- | ---: | ---: | ---: | ---: | --- | --- |\n",
    );
    for comparison in comparisons {
        let Comparison {
            name,
            baseline: (baseline, its),
            ours,
            target,
            split,
        } = comparison;
        let longer = ours.as_secs_f64() / its.as_secs_f64();
        let slower = format!("{longer:.2}x as long");
        let (ratio, target, met) = match *target {
            Target::Slower(most) => (slower, format!("<= {most}x"), Some(longer <= most)),
            Target::Faster(least) => (
                format!("{:.2}x as fast", 1.0 / longer),
                format!(">= {least}x"),
                Some(1.0 / longer >= least),
            ),
            Target::Within(most) => (slower, format!("<= {most:?}"), Some(*ours <= most)),
            Target::None => (slower, String::new(), None),
        };
        let met = met.map_or("", |met| if met { "yes" } else { "no" });
        let split = split.map_or_else(String::new, shares);
        let _ = writeln!(
            table,
            "| {name} | {baseline} | {its:.1?} | {ours:.1?} | {ratio} | {target} | {met} | {split} |"
        );
    }
    table
}

/// What a call's time went into, in percent: lowering, guest, lifting.
fn shares(timing: Timing) -> String {
    let Timing {
        lowering,
        guest,
        lifting,
        ..
    } = timing;
    let all = (lowering + guest + lifting).as_secs_f64();
    let percent = |part: Duration| 100.0 * part.as_secs_f64() / all;
    format!(
        "{:.0} / {:.0} / {:.0} %",
        percent(lowering),
        percent(guest),
        percent(lifting)
    )
}
