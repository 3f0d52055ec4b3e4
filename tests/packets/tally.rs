//! Runs things, two or more at a time, and counts how they went.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    passed: AtomicUsize,
    failed: AtomicUsize,
    verbose: bool,
}

impl Tally {
    /// Nothing counted yet; a verbose one tells of what went well, too.
    pub fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }

    /// Runs `work` on each of `items`, each in a thread of its own, whose
    /// namespaces go with it; as many at a time as there are processors. It gives
    /// a line to print, or what is wrong.
    pub fn run<T: Send + fmt::Debug + Clone>(&self, items: Vec<T>, work: impl Fn(T) -> Result<String, String> + Sync) {
        let items = Mutex::new(items.into_iter());
        let next = || items.lock().expect("the list of things to do").next();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(item) = next() {
                        let name = format!("{item:?}");
                        let result = thread::scope(|inner| inner.spawn(|| work(item)).join());
                        self.count(result.unwrap_or_else(|_| Err(format!("{name} panicked; see above"))));
                    }
                });
            }
        });
    }

    /// Counts one result, and tells of it.
    pub fn count(&self, result: Result<String, String>) {
        match result {
            Ok(line) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                if self.verbose {
                    println!("{line}");
                }
            }
            Err(text) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                println!("FAILED {text}");
            }
        }
    }

    /// Whether something was tried and nothing failed.
    pub fn is_good(&self) -> bool {
        self.failed.load(Ordering::Relaxed) == 0 && self.passed.load(Ordering::Relaxed) > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [passed, failed] = [&self.passed, &self.failed].map(|number| number.load(Ordering::Relaxed));
        write!(f, "{passed} passed, {failed} failed")
    }
}
