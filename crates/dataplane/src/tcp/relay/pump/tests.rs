//! The pump, driven step by step without sockets.

use super::*;

/// Runs the events through a fresh pump and gives the action after each.
fn actions(events: &[Event]) -> Vec<Action> {
    let mut pump = Pump::new(0);
    events.iter().map(|event| pump.step(*event)).collect()
}

/// A pump after so many reads that were full and fully written.
fn after_full_reads(count: usize) -> Pump {
    let mut pump = Pump::new(0);
    for _ in 0..count {
        let Action::Read(size) = pump.step(Event::Resumed) else { panic!("it should read") };
        pump.step(Event::Read(size));
        pump.step(Event::Wrote(size));
    }
    pump
}

fn read_size(pump: &Pump) -> u32 {
    pump.read_size
}

#[test]
fn what_is_read_is_written_and_pushed_out_before_waiting() {
    use Event::*;
    assert_eq!(
        actions(&[Resumed, Read(10), Wrote(4), Wrote(6), ReadBlocked, Flushed, ReadBlocked]),
        [
            Action::Read(SMALL),
            Action::Write,
            Action::Write,
            Action::Read(SMALL),
            Action::Flush,
            Action::Read(SMALL),
            Action::AwaitSender,
        ]
    );
}

#[test]
fn nothing_is_read_while_the_receiver_has_no_room() {
    use Event::*;
    assert_eq!(
        actions(&[Resumed, Read(10), WriteBlocked, Resumed, Wrote(10)]),
        [
            Action::Read(SMALL),
            Action::Write,
            Action::AwaitReceiver,
            Action::Write,
            Action::Read(SMALL),
        ]
    );
}

#[test]
fn the_end_is_passed_on_once_and_only_after_every_byte() {
    use Event::*;
    assert_eq!(
        actions(&[Resumed, Read(3), Wrote(3), End, WriteBlocked, Resumed, WasShutDown, Resumed]),
        [
            Action::Read(SMALL),
            Action::Write,
            Action::Read(SMALL),
            Action::ShutDown,
            Action::AwaitReceiver,
            Action::ShutDown,
            Action::Finished,
            Action::Finished,
        ]
    );
}

#[test]
fn a_head_is_written_before_anything_is_read() {
    let mut pump = Pump::new(7);
    assert_eq!(pump.step(Event::Resumed), Action::Write);
    assert_eq!(pump.step(Event::Wrote(7)), Action::Read(SMALL));
}

#[test]
fn reads_grow_after_two_full_ones_and_no_further_than_the_largest() {
    let sizes: Vec<_> = (0..8).map(|count| read_size(&after_full_reads(count))).collect();
    let (small, middle) = (SMALL, SMALL * 4);
    assert_eq!(sizes, [small, small, middle, middle, LARGE, LARGE, LARGE, LARGE]);
}

#[test]
fn a_receiver_without_room_makes_reads_smaller_once_for_each_read() {
    let mut pump = after_full_reads(4);
    pump.step(Event::Read(LARGE));
    for _ in 0..5 {
        pump.step(Event::Wrote(1));
        pump.step(Event::WriteBlocked);
    }
    assert_eq!(read_size(&pump), LARGE / 4);
    pump.step(Event::Wrote(LARGE - 5));
    assert_eq!(read_size(&pump), LARGE / 4, "a read that fell short shows nothing");
}

#[test]
fn short_reads_do_not_grow() {
    let mut pump = Pump::new(0);
    for _ in 0..100 {
        pump.step(Event::Resumed);
        pump.step(Event::Read(SMALL - 1));
        pump.step(Event::Wrote(SMALL - 1));
    }
    assert_eq!(read_size(&pump), SMALL);
}

#[test]
fn bytes_in_are_bytes_out_under_any_order_of_events() {
    for seed in 0..256 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pump = Pump::new(0);
        let (mut taken, mut given, mut ended) = (0_u64, 0_u64, false);
        let mut action = pump.step(Event::Resumed);
        for _ in 0..3000 {
            let event = match action {
                Action::Read(most) => {
                    assert_eq!(taken, given, "seed {seed}: it reads only when nothing is left");
                    match random.u8(..20) {
                        0 => {
                            ended = true;
                            Event::End
                        }
                        1..5 => Event::ReadBlocked,
                        5..10 => {
                            taken += u64::from(most);
                            Event::Read(most)
                        }
                        _ => {
                            let bytes = random.u32(1..=most);
                            taken += u64::from(bytes);
                            Event::Read(bytes)
                        }
                    }
                }
                Action::Write => {
                    let left = u32::try_from(taken - given).unwrap();
                    assert!(left > 0, "seed {seed}: it writes only what it has");
                    if random.u8(..4) == 0 {
                        Event::WriteBlocked
                    } else {
                        let bytes = random.u32(1..=left);
                        given += u64::from(bytes);
                        Event::Wrote(bytes)
                    }
                }
                Action::Flush if random.bool() => Event::Flushed,
                Action::ShutDown if random.bool() => Event::WasShutDown,
                Action::Flush | Action::ShutDown => Event::WriteBlocked,
                Action::AwaitSender | Action::AwaitReceiver => Event::Resumed,
                Action::Finished => break,
            };
            action = pump.step(event);
        }
        assert!(ended == pump.is_done() || action != Action::Finished, "seed {seed}");
        if pump.is_done() {
            assert_eq!(taken, given, "seed {seed}");
        }
    }
}
