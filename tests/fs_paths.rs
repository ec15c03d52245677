//! What `fs` does by path.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use corelane::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use corelane::runtime::{Builder, Runtime};

#[path = "support/scratch.rs"]
mod scratch;
use scratch::Scratch;

fn rt() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn files_are_written_read_copied_renamed_and_removed() {
    let dir = Scratch::new();
    rt().block_on(async {
        let (a, b, c) = (dir.path("a"), dir.path("b"), dir.path("c"));
        fs::write(&a, "text").await.unwrap();
        assert_eq!(fs::copy(&a, &b).await.unwrap(), 4);
        fs::rename(&b, &c).await.unwrap();
        assert!(!fs::try_exists(&b).await.unwrap());
        assert_eq!(fs::read_to_string(&c).await.unwrap(), "text");
        fs::remove_file(&a).await.unwrap();
        assert_eq!(fs::read(&a).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(&c, [0xff]).await.unwrap();
        assert_eq!(fs::read_to_string(&c).await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(fs::canonicalize(dir.path("./c")).await.unwrap(), fs::canonicalize(&c).await.unwrap());
    });
}

#[test]
fn links_are_made_read_and_followed() {
    let dir = Scratch::new();
    rt().block_on(async {
        let (file, hard, soft) = (dir.path("file"), dir.path("hard"), dir.path("soft"));
        fs::write(&file, "x").await.unwrap();
        fs::hard_link(&file, &hard).await.unwrap();
        fs::symlink(&file, &soft).await.unwrap();
        assert_eq!(fs::metadata(&file).await.unwrap().nlink(), 2);
        assert_eq!(fs::read_link(&soft).await.unwrap(), file);
        assert!(fs::symlink_metadata(&soft).await.unwrap().is_symlink());
        assert!(fs::metadata(&soft).await.unwrap().is_file());
        assert_eq!(fs::read_link(&file).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        fs::remove_file(&file).await.unwrap();
        assert!(!fs::try_exists(&soft).await.unwrap(), "it leads nowhere");
    });
}

#[test]
fn directories_are_made_with_options_and_removed() {
    let dir = Scratch::new();
    rt().block_on(async {
        fs::create_dir(dir.path("one")).await.unwrap();
        assert_eq!(fs::create_dir(dir.path("one")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::create_dir_all(dir.path("one/two/three")).await.unwrap();
        assert_eq!(fs::remove_dir(dir.path("one")).await.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        assert!(DirBuilder::new().create(dir.path("x/y")).await.is_err());
        DirBuilder::new().recursive(true).mode(0o700).create(dir.path("x/y")).await.unwrap();
        assert_eq!(fs::metadata(dir.path("x/y")).await.unwrap().mode() & 0o777, 0o700);
        fs::remove_dir(dir.path("x/y")).await.unwrap();
        fs::remove_dir_all(dir.path("one")).await.unwrap();
        assert!(!fs::try_exists(dir.path("one")).await.unwrap());
    });
}

/// More than a trip fetches, and exactly as many.
#[test]
fn a_listing_has_every_entry_once() {
    for count in [0, 1, 31, 32, 33, 64, 100] {
        let dir = Scratch::new();
        let names: BTreeSet<_> = (0..count).map(|n| format!("entry {n}")).collect();
        for name in &names {
            std::fs::write(dir.path(name), name).unwrap();
        }
        rt().block_on(async {
            let mut listing = fs::read_dir(dir.path("")).await.unwrap();
            let mut found = BTreeSet::new();
            while let Some(entry) = listing.next_entry().await.unwrap() {
                assert!(entry.file_type().await.unwrap().is_file());
                let metadata = entry.metadata().await.unwrap();
                assert_eq!(entry.ino(), metadata.ino());
                assert_eq!(entry.path(), dir.path(entry.file_name()));
                assert!(found.insert(entry.file_name().into_string().unwrap()), "twice");
            }
            assert!(listing.next_entry().await.unwrap().is_none());
            assert_eq!(found, names);
        });
    }
}

#[test]
fn a_listing_whose_future_is_dropped_goes_on_where_it_was() {
    let dir = Scratch::new();
    for n in 0..40 {
        std::fs::write(dir.path(n.to_string()), "").unwrap();
    }
    let rt = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    rt.block_on(async {
        let mut listing = fs::read_dir(dir.path("")).await.unwrap();
        for _ in 0..32 {
            assert!(listing.next_entry().await.unwrap().is_some());
        }
        // The next trip starts, and nobody waits for it. The pool's only thread is taken, or it could be back already.
        let (release, held) = std::sync::mpsc::channel::<()>();
        corelane::task::spawn_blocking(move || held.recv());
        assert!(listing.poll_next_entry(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(release);
        let mut left = 0;
        while listing.next_entry().await.unwrap().is_some() {
            left += 1;
        }
        assert_eq!(left, 8);
    });
}

#[test]
fn a_listing_ends_with_its_runtime() {
    let dir = Scratch::new();
    for n in 0..40 {
        std::fs::write(dir.path(n.to_string()), "").unwrap();
    }
    let rt = rt();
    let handle = rt.handle().clone();
    let mut listing = rt.block_on(fs::read_dir(dir.path(""))).unwrap();
    drop(rt);
    let _entered = handle.enter();
    let mut next = || listing.poll_next_entry(&mut Context::from_waker(Waker::noop()));
    for _ in 0..32 {
        assert!(matches!(next(), Poll::Ready(Ok(Some(_)))));
    }
    // Who asks again is not told that this was all.
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = next() else { panic!("there is no pool") };
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Other, "background task failed".into()));
    }
}

#[test]
fn options_permissions_and_times_arrive() {
    let dir = Scratch::new();
    rt().block_on(async {
        let path = dir.path("a");
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode() & 0o777, 0o600);
        file.set_permissions(std::fs::Permissions::from_mode(0o640)).await.unwrap();
        assert_eq!(fs::metadata(&path).await.unwrap().mode() & 0o777, 0o640);
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode() & 0o777, 0o600);

        let (read, changed) = (Duration::from_secs(1_000), Duration::from_secs(2_000));
        let times = FileTimes::new()
            .set_accessed(SystemTime::UNIX_EPOCH + read)
            .set_modified(SystemTime::UNIX_EPOCH + changed);
        file.set_times(times).await.unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!((metadata.atime(), metadata.mtime()), (1_000, 2_000));
        file.set_modified(SystemTime::UNIX_EPOCH).await.unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!((metadata.atime(), metadata.mtime()), (1_000, 0));

        let link = dir.path("link");
        fs::symlink(&path, &link).await.unwrap();
        let refused = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&link).await;
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ELOOP));
    });
}

#[test]
fn without_a_runtime_it_panics_and_after_shutdown_it_fails() {
    let panicked = std::panic::catch_unwind(|| {
        let mut future = std::pin::pin!(File::open("/"));
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    let text = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(text, "there is no reactor running, must be called from the context of a Tokio 1.x runtime");

    let rt = rt();
    let handle = rt.handle().clone();
    drop(rt);
    let error = handle.block_on(fs::metadata("/")).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Other, "background task failed".into()));
}
