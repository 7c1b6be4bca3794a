//! `DescribeConsumerGroups` through librdkafka's C interface, with each C object owned by a Rust value.
//!
//! librdkafka (2.12, issue 4605) aborts the whole process when such a request times out before it found the group's
//! coordinator, and the coordinator comes back afterwards. So ours never time out: a request stays pending until it is
//! answered, or until its client is dropped.
#![allow(
    unsafe_code,
    reason = "rdkafka does not wrap DescribeConsumerGroups; this is the only module that may"
)]

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};

use super::{GroupDescription, Member};

/// The longest that librdkafka allows; clients are dropped long before.
const NEVER: Duration = Duration::from_secs(3_600);

/// A question that was sent, or waits to be sent; it cannot outlive the client that asks.
pub(super) struct Pending<'client> {
    queue: Queue,
    client: PhantomData<&'client ()>,
}

impl<'client> Pending<'client> {
    /// Asks for one group.
    pub(super) fn new<C: ClientContext>(client: &'client Client<C>, group_id: &str) -> Result<Self, String> {
        let group_id = CString::new(group_id).map_err(|error| error.to_string())?;
        let options = Options::new(client, NEVER)?;
        let queue = Queue::new(client);
        let mut group_ids = [group_id.as_ptr()];
        // SAFETY: the client outlives this call; the array holds one valid string, which librdkafka copies before it
        // returns, as it does with the options; the queue counts its references, so a late answer never finds it freed.
        unsafe {
            sys::rd_kafka_DescribeConsumerGroups(
                client.native_ptr(),
                group_ids.as_mut_ptr(),
                group_ids.len(),
                options.0,
                queue.0,
            );
        }
        Ok(Self { queue, client: PhantomData })
    }

    /// Waits for the answer; `None` if it is not there in time, and may still come.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Result<GroupDescription, String>> {
        self.queue.poll(timeout).map(|event| event.group())
    }
}

/// The options of one request.
struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Options {
    fn new<C: ClientContext>(client: &Client<C>, timeout: Duration) -> Result<Self, String> {
        // SAFETY: the client is alive; the result is owned by this value and freed once, by its drop.
        let options = Self(unsafe {
            sys::rd_kafka_AdminOptions_new(
                client.native_ptr(),
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            )
        });
        let mut message: [c_char; 256] = [0; 256];
        // SAFETY: the options are alive, and the buffer is as long as is said; librdkafka ends its text with a zero.
        let code = unsafe {
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                millis(timeout),
                message.as_mut_ptr(),
                message.len(),
            )
        };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(options);
        }
        // SAFETY: on an error librdkafka has written a text into the buffer, which was all zeros before.
        Err(unsafe { text(message.as_ptr()) })
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nobody else frees it.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// A queue for one answer.
struct Queue(*mut sys::rd_kafka_queue_t);

impl Queue {
    fn new<C: ClientContext>(client: &Client<C>) -> Self {
        // SAFETY: the client is alive; the result is owned by this value and freed once, by its drop.
        Self(unsafe { sys::rd_kafka_queue_new(client.native_ptr()) })
    }

    fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue is alive; the event, if there is one, becomes ours.
        let event = unsafe { sys::rd_kafka_queue_poll(self.0, millis(timeout)) };
        (!event.is_null()).then_some(Event(event))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nobody else frees it.
        unsafe { sys::rd_kafka_queue_destroy(self.0) }
    }
}

/// The answer. All pointers that are read from it belong to it, and are copied before it is freed.
struct Event(*mut sys::rd_kafka_event_t);

impl Event {
    fn group(&self) -> Result<GroupDescription, String> {
        // SAFETY: the event is alive; librdkafka answers null for the result of an event of another kind, and the
        // array has as many valid entries as it counts; all texts live as long as the event.
        unsafe {
            if sys::rd_kafka_event_error(self.0) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(text(sys::rd_kafka_event_error_string(self.0)));
            }
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(self.0);
            if result.is_null() {
                return Err("the answer is of another kind".to_owned());
            }
            let mut count = 0;
            let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
            if groups.is_null() || count == 0 {
                return Err("the answer names no group".to_owned());
            }
            group(*groups)
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: given to us by the queue, and nobody else frees it.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

/// # Safety
/// The description must be alive, and stay so during the call.
unsafe fn group(
    description: *const sys::rd_kafka_ConsumerGroupDescription_t,
) -> Result<GroupDescription, String> {
    // SAFETY: the description is alive, by contract, and so is all that is read from it; members are only asked for
    // below their count.
    unsafe {
        let error = sys::rd_kafka_ConsumerGroupDescription_error(description);
        if !error.is_null()
            && sys::rd_kafka_error_code(error) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return Err(text(sys::rd_kafka_error_string(error)));
        }
        let state = sys::rd_kafka_ConsumerGroupDescription_state(description);
        let count = sys::rd_kafka_ConsumerGroupDescription_member_count(description);
        let members = (0..count)
            .map(|index| member(sys::rd_kafka_ConsumerGroupDescription_member(description, index)))
            .collect();
        Ok(GroupDescription { state: text(sys::rd_kafka_consumer_group_state_name(state)), members })
    }
}

/// # Safety
/// The description must be alive, and stay so during the call.
unsafe fn member(description: *const sys::rd_kafka_MemberDescription_t) -> Member {
    // SAFETY: the description is alive, by contract, and so is all that is read from it.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(description);
        let assignment = if assignment.is_null() {
            Vec::new()
        } else {
            partitions(sys::rd_kafka_MemberAssignment_partitions(assignment))
        };
        Member {
            client_id: text(sys::rd_kafka_MemberDescription_client_id(description)),
            host: text(sys::rd_kafka_MemberDescription_host(description)),
            assignment,
        }
    }
}

/// # Safety
/// The list must be null, or alive during the call.
unsafe fn partitions(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<(String, u32)> {
    // SAFETY: a list that is not null is alive, by contract, and has `cnt` valid elements.
    unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        let count = usize::try_from(list.cnt).unwrap_or(0);
        if list.elems.is_null() || count == 0 {
            return Vec::new();
        }
        let elements = std::slice::from_raw_parts(list.elems, count);
        elements
            .iter()
            .filter_map(|element| Some((text(element.topic), u32::try_from(element.partition).ok()?)))
            .collect()
    }
}

/// # Safety
/// The text must be null, or end with a zero and be alive during the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: a text that is not null ends with a zero, by contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
