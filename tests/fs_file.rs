//! `fs::File` against the real system.

#![expect(unsafe_code, reason = "mounts a disk")]

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use corelane::fs::{self, File, OpenOptions};
use corelane::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use corelane::runtime::{Builder, Runtime};

#[path = "support/scratch.rs"]
mod scratch;
use scratch::Scratch;

/// With one thread that blocks, so that whoever holds it knows what has not begun.
fn rt() -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_full_disk_is_told_by_flush_by_sync_and_by_the_next_write() {
    rt().block_on(async {
        let mut full = OpenOptions::new().write(true).open("/dev/full").await.unwrap();

        full.write_all(b"x").await.unwrap();
        assert_eq!(full.flush().await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        full.flush().await.unwrap();

        full.write_all(b"x").await.unwrap();
        assert_eq!(full.sync_all().await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));

        full.write_all(b"x").await.unwrap();
        assert_eq!(full.sync_data().await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));

        full.write_all(b"x").await.unwrap();
        assert_eq!(full.write(b"x").await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        full.shutdown().await.unwrap();
    });
}

/// A disk of 64 KiB, mounted while this lives.
struct Disk(Scratch);

impl Disk {
    /// None where the system does not let this process mount one.
    fn mount() -> Option<Self> {
        let dir = Scratch::new();
        // SAFETY: C strings.
        let mounted = unsafe {
            let (kind, options) = (c"tmpfs".as_ptr(), c"size=64k".as_ptr().cast());
            libc::mount(c"none".as_ptr(), c_string(&dir.path("")).as_ptr(), kind, 0, options)
        };
        if mounted != 0 {
            println!("skipped: cannot mount a small disk: {}", std::io::Error::last_os_error());
            return None;
        }
        Some(Self(dir))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: a C string.
        unsafe { libc::umount2(c_string(&self.0.path("")).as_ptr(), libc::MNT_DETACH) };
    }
}

fn c_string(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

#[test]
fn a_disk_that_fills_up_holds_what_went_before() {
    let Some(disk) = Disk::mount() else { return };
    rt().block_on(async {
        let mut file = File::create(disk.0.path("log")).await.unwrap();
        file.set_max_buf_size(16 * 1024);
        let mut written = 0;
        let told = loop {
            match file.write(&[7; 16 * 1024]).await {
                Ok(n) => written += n,
                Err(error) => break error,
            }
        };
        assert!(written > 64 * 1024, "the write that failed had been taken: {written}");
        assert_eq!(file.metadata().await.unwrap().len(), 64 * 1024);
        assert_eq!(told.raw_os_error(), Some(libc::ENOSPC));
    });
}

/// The write that does not fit is taken, and whoever asks next is told, once.
#[test]
fn a_disk_that_is_full_is_told_by_flush_and_by_sync() {
    let Some(disk) = Disk::mount() else { return };
    rt().block_on(async {
        std::fs::write(disk.0.path("most"), [0; 60 * 1024]).unwrap();
        let mut file = File::create(disk.0.path("log")).await.unwrap();
        for ask in 0..3 {
            file.write_all(&[7; 16 * 1024]).await.unwrap();
            let told = match ask {
                0 => file.flush().await,
                1 => file.sync_all().await,
                _ => file.sync_data().await,
            };
            assert_eq!(told.unwrap_err().raw_os_error(), Some(libc::ENOSPC), "{ask}");
            file.flush().await.unwrap();
        }
        // Room again: what is written now arrives.
        std::fs::remove_file(disk.0.path("most")).unwrap();
        file.set_len(0).await.unwrap();
        file.rewind().await.unwrap();
        file.write_all(b"fits").await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(std::fs::read(disk.0.path("log")).unwrap(), b"fits");
    });
}

#[test]
fn a_write_that_fails_is_told_when_the_file_is_not_open_for_it() {
    let dir = Scratch::new();
    rt().block_on(async {
        fs::write(dir.path("a"), "x").await.unwrap();
        let mut file = File::open(dir.path("a")).await.unwrap();
        file.write_all(b"y").await.unwrap();
        assert_eq!(file.flush().await.unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert!(file.set_len(0).await.is_err());
        assert_eq!(fs::read(dir.path("a")).await.unwrap(), b"x");
    });
}

#[test]
fn what_was_taken_is_written_though_the_file_and_the_runtime_are_dropped() {
    let dir = Scratch::new();
    for flavor in [Builder::new_current_thread, Builder::new_multi_thread, Builder::new_sharded] {
        let rt = flavor().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let path = dir.path("late");
        rt.block_on(async {
            let mut file = File::create(&path).await.unwrap();
            // The pool's only thread is taken, so the write has not begun when the runtime ends.
            corelane::task::spawn_blocking(move || held.recv());
            file.write_all(b"taken").await.unwrap();
        });
        drop(release);
        drop(rt);
        assert_eq!(std::fs::read(&path).unwrap(), b"taken");
    }
}

/// The reader's position, not the file's, is where things happen.
#[test]
fn writing_seeking_and_cutting_count_from_the_reader() {
    let dir = Scratch::new();
    rt().block_on(async {
        fs::write(dir.path("a"), "0123456789").await.unwrap();
        let mut file = File::options().read(true).write(true).open(dir.path("a")).await.unwrap();

        // A read that is given up reads ahead.
        read_ahead(&mut file, 8).await;
        assert_eq!(file.read_u8().await.unwrap(), b'0');
        assert_eq!(file.stream_position().await.unwrap(), 1);
        assert_eq!(file.read_u8().await.unwrap(), b'1');

        read_ahead(&mut file, 8).await;
        assert_eq!(file.read_u8().await.unwrap(), b'2');
        file.write_all(b"X").await.unwrap();
        assert_eq!(file.read_u8().await.unwrap(), b'4');

        read_ahead(&mut file, 8).await;
        assert_eq!(file.read_u8().await.unwrap(), b'5');
        file.set_len(7).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "6");
        assert_eq!(fs::read(dir.path("a")).await.unwrap(), b"012X456");

        assert_eq!(file.seek(SeekFrom::Current(-100)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(file.seek(SeekFrom::End(2)).await.unwrap(), 9);
    });
}

/// Starts a read, and gives it up. Unless the pool has other threads, it begins after that.
async fn read_ahead(file: &mut File, len: usize) {
    let mut buf = vec![0; len];
    let (_release, held) = std::sync::mpsc::channel::<()>();
    corelane::task::spawn_blocking(move || held.recv());
    corelane::select! {
        biased;
        _ = file.read(&mut buf) => panic!("a read takes a trip to the pool"),
        _ = std::future::ready(()) => {}
    }
}

#[test]
fn a_clone_has_the_same_position_and_a_buffer_of_its_own() {
    let dir = Scratch::new();
    rt().block_on(async {
        let mut file = File::create_new(dir.path("a")).await.unwrap();
        let mut clone = file.try_clone().await.unwrap();
        file.write_all(b"one ").await.unwrap();
        file.flush().await.unwrap();
        clone.write_all(b"two").await.unwrap();
        clone.flush().await.unwrap();
        assert_eq!(file.stream_position().await.unwrap(), 7);
        assert_eq!(fs::read_to_string(dir.path("a")).await.unwrap(), "one two");
        assert_eq!(File::create_new(dir.path("a")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn metadata_knows_of_writes_that_were_taken() {
    let dir = Scratch::new();
    rt().block_on(async {
        let mut file = File::create(dir.path("a")).await.unwrap();
        for n in 1..=100 {
            file.write_all(&[0; 1000]).await.unwrap();
            assert_eq!(file.metadata().await.unwrap().len(), n * 1000);
        }
    });
}

#[test]
fn a_file_is_given_back_when_its_write_has_ended() {
    let dir = Scratch::new();
    rt().block_on(async {
        for n in 0..200 {
            let mut file = File::create(dir.path("a")).await.unwrap();
            file.write_all(b"abc").await.unwrap();
            let file = match file.try_into_std() {
                Ok(file) => file,
                Err(file) => file.into_std().await,
            };
            assert_eq!(file.metadata().unwrap().len(), 3, "round {n}");
            file.write_at(b"X", 1).unwrap();
        }
        assert_eq!(fs::read(dir.path("a")).await.unwrap(), b"aXc");
    });
}

#[test]
fn large_contents_come_back_the_same() {
    let dir = Scratch::new();
    rt().block_on(async {
        let contents: Vec<u8> = (0..5_000_000u32).map(|n| (n * 7 / 3) as u8).collect();
        let mut file = File::options().read(true).write(true).create(true).open(dir.path("a")).await.unwrap();
        file.write_all(&contents).await.unwrap();
        file.rewind().await.unwrap();
        let mut back = Vec::new();
        file.read_to_end(&mut back).await.unwrap();
        assert!(back == contents);
    });
}

/// A pipe that nobody writes to yet is a file that takes its time.
#[test]
fn many_tasks_use_one_file_by_reference() {
    let dir = Scratch::new();
    let fifo = dir.fifo();
    let rt = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let mut file = OpenOptions::new().read(true).write(true).open(&fifo).await.unwrap();
        read_ahead(&mut file, 1).await;
        let file = std::sync::Arc::new(file);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let file = std::sync::Arc::clone(&file);
                corelane::spawn(async move { file.metadata().await.map(|_| ()) })
            })
            .collect();
        // Lets the read end, and then all others, one after the other.
        fs::write(&fifo, "x").await.unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let mut file = std::sync::Arc::into_inner(file).unwrap();
        assert_eq!(file.read_u8().await.unwrap(), b'x', "the read that was given up");
    });
}
