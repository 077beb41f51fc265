//! Names that a language keeps for itself: a plugin of such a name would not build, or be taken for something else.

use transom_build::Language;

/// Keywords, those reserved among them, in lowercase.
const RUST_KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super \
    trait true try type typeof unsafe unsized use virtual where while yield";

/// Crates that come with the compiler.
const RUST_CRATES: &str = "alloc core proc_macro std test";

/// Keywords in lowercase.
const PYTHON_KEYWORDS: &str = "and as assert async await break class continue def del elif else except finally for from \
    global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Modules of the standard library of the Python that plugins run in.
const PYTHON_MODULES: &str = "abc annotationlib antigravity argparse array ast asyncio atexit base64 bdb binascii bisect \
    builtins bz2 calendar cmath cmd code codecs codeop collections colorsys compileall compression concurrent configparser \
    contextlib contextvars copy copyreg csv ctypes curses dataclasses datetime dbm decimal difflib dis doctest email \
    encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath \
    getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib importlib inspect io \
    ipaddress itertools json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder msvcrt \
    multiprocessing netrc nt ntpath numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform \
    plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri \
    random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site \
    smtplib socket socketserver sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct \
    subprocess symtable sys sysconfig syslog tabnanny tarfile tempfile termios test textwrap this threading time timeit \
    tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest \
    urllib uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xml xmlrpc zipapp zipfile zipimport zlib \
    zoneinfo";

/// Why a plugin in `language` cannot have this name; None if it can.
pub(crate) fn reason(name: &str, language: Language) -> Option<&'static str> {
    let is_one_of = |names: &str| names.split_whitespace().any(|other| other == name);
    match language {
        Language::Rust if is_one_of(RUST_KEYWORDS) => Some("it is a keyword"),
        Language::Rust if is_one_of(RUST_CRATES) => {
            Some("a crate of that name comes with the compiler")
        }
        Language::Rust if name == "transom_sdk" => Some("that is the SDK's crate"),
        Language::Python if is_one_of(PYTHON_KEYWORDS) => Some("it is a keyword"),
        Language::Python if is_one_of(PYTHON_MODULES) => {
            Some("the standard library has a module of that name")
        }
        Language::Python if name == "transom" => Some("that is the SDK's module"),
        Language::Python if name.starts_with("test_") || name == "conftest" => {
            Some("a module of that name is a test")
        }
        // The module's path ends with it, and would then be that of another version of the module before it.
        Language::Go if is_version(name) => {
            Some("the last part of a module's path is then its version")
        }
        _ => None,
    }
}

/// `v2` and its like.
fn is_version(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}
