//! Tests of the table's rules, without sockets.

use futures::FutureExt;

use super::place::{Order, Turn};
use super::*;

fn table(connections: usize, per_address: usize) -> Table {
    let second = Duration::from_secs(1);
    let (head, idle, unread) = (second, 6 * second, 30 * second);
    let limits = ConnectionLimits { connections, per_address, head, idle, unread };
    Table::new(&limits)
}

fn from(table: &Table, last: u8) -> Option<Entry> {
    table.admit(IpAddr::from([192, 0, 2, last]))
}

/// Sets the clock, in tenths of a second, and checks the deadlines.
fn at(table: &Table, tenths: u32) {
    table.clock.set(tenths);
    for (_, place) in table.lock().places.values() {
        place.look();
    }
}

fn told(entry: &Entry) -> Order {
    entry.place().told(Order::Serve).now_or_never().unwrap_or(Order::Serve)
}

fn cut(entries: &[&Entry]) -> Vec<bool> {
    entries.iter().map(|entry| told(entry) == Order::Cut).collect()
}

fn request(entry: &Entry) -> Turn {
    entry.place().begin(false, false).unwrap()
}

#[test]
fn h3_the_oldest_of_the_address_that_holds_the_most_is_pushed_out() {
    let table = table(4, 4);
    let one = from(&table, 1).unwrap();
    at(&table, 1);
    let two = from(&table, 2).unwrap();
    let three = from(&table, 2).unwrap();
    at(&table, 2);
    let four = from(&table, 2).unwrap();
    let five = from(&table, 3).unwrap();
    assert_eq!(cut(&[&one, &two, &three, &four, &five]), [false, true, false, false, false]);
    // It no longer counts as soon as it is told to close.
    let six = from(&table, 3).unwrap();
    assert_eq!(cut(&[&one, &three, &four, &five, &six]), [false, true, false, false, false]);
    drop((one, two, three, four, five, six));
    let open = table.lock();
    assert!(open.places.is_empty() && open.held.is_empty(), "{open:?}");
}

#[test]
fn h3_an_address_at_its_limit_loses_only_its_own_connections() {
    let table = table(10, 2);
    let other = from(&table, 9).unwrap();
    let one = from(&table, 1).unwrap();
    let two = from(&table, 1).unwrap();
    let three = from(&table, 1).unwrap();
    assert_eq!(cut(&[&other, &one, &two, &three]), [false, true, false, false]);
    let turns = [request(&two), request(&three)];
    assert!(from(&table, 1).is_none(), "all of its own are busy");
    assert!(from(&table, 2).is_some());
    drop(turns);
    assert!(from(&table, 1).is_some());
    // One holder of IPv6 has a whole /64.
    let six = |text: &str| table.admit(text.parse().unwrap()).unwrap();
    let three = [six("2001:db8::1"), six("2001:db8::2"), six("2001:db8::3")];
    assert_eq!(cut(&three.each_ref()), [true, false, false]);
}

#[test]
fn h3_partial_requests_are_pushed_out_and_busy_connections_never() {
    let table = table(2, 2);
    let one = from(&table, 1).unwrap();
    let turn = request(&one);
    let two = from(&table, 1).unwrap();
    // The head has arrived, but the body has not.
    let half = two.place().begin(true, false).unwrap();
    let three = from(&table, 1).unwrap();
    assert_eq!(cut(&[&one, &two, &three]), [false, true, false]);
    drop((half, two));
    let whole = three.place().begin(true, false).unwrap();
    three.place().received(false);
    assert!(from(&table, 1).is_none());
    drop(whole);
    assert!(from(&table, 1).is_some());
    // A request that arrives after the connection was pushed out must not run.
    assert!(three.place().begin(false, false).is_none());
    turn.keep();
    at(&table, 10_000);
    assert_eq!(told(&one), Order::Serve, "a WebSocket is always busy");
}

#[test]
fn h3_deadlines_hold_for_the_first_request_for_a_head_and_between_two() {
    let table = table(10, 10);
    let silent = from(&table, 1).unwrap();
    at(&table, 9);
    assert_eq!(told(&silent), Order::Serve);
    let [http1, http2, busy] = [1, 2, 3].map(|last| from(&table, last).unwrap());
    drop(request(&http1));
    drop(http2.place().begin(false, true).unwrap());
    let _turn = request(&busy);
    at(&table, 10);
    assert_eq!(told(&silent), Order::Cut, "it has sent nothing for a second");
    at(&table, 30);
    // A byte over HTTP/1 begins a head; a frame of HTTP/2 need not be part of a request.
    http1.place().has_read(1);
    http2.place().has_read(17);
    at(&table, 39);
    assert_eq!([told(&http1), told(&http2)], [Order::Serve, Order::Serve]);
    at(&table, 40);
    assert_eq!([told(&http1), told(&http2)], [Order::Finish, Order::Serve]);
    http2.place().has_read(17);
    at(&table, 69);
    assert_eq!([told(&http1), told(&http2)], [Order::Cut, Order::Finish]);
    at(&table, 100);
    assert_eq!([told(&http2), told(&busy)], [Order::Cut, Order::Serve]);
}

#[test]
fn h3_a_client_that_does_not_read_is_cut_off_and_one_that_waits_is_not() {
    let table = table(2, 2);
    let [one, two] = [from(&table, 1).unwrap(), from(&table, 1).unwrap()];
    let (mut unread, mut slow) = (request(&one), request(&two));
    unread.waits_for_client(true);
    slow.waits_for_client(true);
    slow.waits_for_client(false);
    assert!(from(&table, 1).is_none(), "the client may be reading");
    at(&table, 60);
    drop(from(&table, 1).unwrap());
    assert_eq!(cut(&[&one, &two]), [true, false]);
    slow.waits_for_client(true);
    at(&table, 359);
    assert_eq!(told(&two), Order::Serve);
    at(&table, 360);
    assert_eq!(told(&two), Order::Cut);
}

#[test]
fn read_a_flood_of_frames_without_a_request_ends_the_connection() {
    let table = table(9, 9);
    let [fresh, used, busy] = [1, 2, 3].map(|last| from(&table, last).unwrap());
    drop(used.place().begin(false, true).unwrap());
    let _turn = busy.place().begin(false, true).unwrap();
    let mut frames = 0;
    while told(&used) == Order::Serve {
        for entry in [&fresh, &used, &busy] {
            entry.place().has_read(17 * 100);
        }
        frames += 100;
    }
    assert!(frames < 200_000, "{frames}");
    assert_eq!([told(&fresh), told(&busy)], [Order::Cut, Order::Serve]);
}

#[test]
fn a_file_may_set_the_limits() {
    let number = NonZeroU32::new;
    let default = ConnectionLimits::default();
    assert_eq!(ConnectionLimits::with(None, None, None), default);
    let limits = ConnectionLimits::with(number(10), None, Some(IdleTime(TICK)));
    assert_eq!((limits.connections, limits.per_address, limits.idle), (10, 5, TICK));
    assert_eq!(ConnectionLimits::with(None, number(7), None).per_address, 7);
    let limits = ConnectionLimits::with(number(10), number(7), None).within(5);
    assert_eq!((limits.connections, limits.per_address), (5, 5));
    assert!(IdleTime::try_from("0s".to_owned()).is_err());
}
