//! When the answer to a request is complete, and what it came to.

use super::aligned;
use super::message::{Message, Messages, TOO_LONG};
use super::numbers::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_MIN_TYPE, NLMSG_OVERRUN};
use super::protocol::Protocol;
use super::refusal::Refusal;
use crate::changes::Changes;
use crate::error::Failure;

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An acknowledgement, perhaps with objects before it (echo).
    Acknowledgement,
    /// One object.
    Object,
    /// Objects, then the end of the dump.
    Dump,
}

/// The reading of one answer, which may take several datagrams.
#[derive(Debug)]
pub(crate) struct Reply {
    protocol: Protocol,
    /// Of rtnetlink's types four at a time are about the same. An answer has these where a type's bits in the mask are
    /// those; objects that are echoed may be about something else, and have no mask.
    kinds: u16,
    mask: u16,
    sequence: u32,
    answer: Answer,
    /// The kernel changed what was dumped while it was being dumped: entries may be missing.
    pub(crate) interrupted: bool,
    /// Where the next message of the present datagram begins.
    pub(crate) at: usize,
    /// What else tells that.
    changes: Option<Changes>,
    /// Where the last object began.
    object: usize,
    has_object: bool,
}

/// What was gone past that is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Passed,
    /// The datagram is through, and the answer isn't.
    More,
    End,
}

/// What comes next in an answer.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Object(Message<'a>),
    /// The datagram is through, and the answer isn't.
    More,
    End,
}

impl Reply {
    /// Begins to read the answer to a request of that type.
    pub(crate) fn new(protocol: Protocol, request: u16, sequence: u32, answer: Answer) -> Self {
        let is_of_kind = protocol == Protocol::Route && answer != Answer::Acknowledgement;
        Reply {
            protocol,
            kinds: if is_of_kind { request & !3 } else { 0 },
            mask: if is_of_kind { !3 } else { 0 },
            sequence,
            answer,
            interrupted: false,
            at: 0,
            changes: None,
            object: 0,
            has_object: false,
        }
    }

    /// Lets what tells of changes count as the kernel's word that it was interrupted.
    pub(crate) fn with_changes(mut self, changes: Option<Changes>) -> Self {
        self.changes = changes;
        self
    }

    /// The object that the last step came to, once more.
    #[inline]
    pub(crate) fn object<'a>(&self, datagram: &'a [u8]) -> Option<Message<'a>> {
        Messages::new(datagram.get(self.object..)?).next()?.ok()
    }

    /// Begins with a new datagram.
    pub(crate) fn next_datagram(&mut self) {
        self.at = 0;
    }

    /// Goes to the next object of a datagram, or to its end. `request` is what was sent, in which an
    /// error's offset points.
    #[inline]
    pub(crate) fn step<'a>(&mut self, datagram: &'a [u8], request: &[u8]) -> Result<Step<'a>, Failure> {
        if self.has_object && self.answer == Answer::Object {
            return Ok(Step::End);
        }
        loop {
            if let Some(message) = self.next_object(datagram) {
                self.has_object = true;
                return Ok(Step::Object(message));
            }
            match self.pass(datagram, request)? {
                Pass::Passed => {}
                Pass::More => return Ok(Step::More),
                Pass::End => return Ok(Step::End),
            }
        }
    }

    /// Goes to the next message if that is an object which was asked for: a long list is mostly that.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a list is walked by what is inlined here, and by nothing else")]
    pub(crate) fn next_object<'a>(&mut self, datagram: &'a [u8]) -> Option<Message<'a>> {
        let (message, length) = Message::split(datagram.get(self.at..)?)?;
        let is_object = message.kind & self.mask == self.kinds && message.kind >= NLMSG_MIN_TYPE;
        if message.sequence != self.sequence || !is_object {
            return None;
        }
        self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        self.object = self.at;
        self.at += aligned(length);
        Some(message)
    }

    /// Goes past what [`next_object`](Reply::next_object) stopped at.
    ///
    /// Messages with another sequence number are late answers to a request that was given up, and
    /// are skipped. The end may share a datagram with objects (it does since Linux 6.9).
    #[cold]
    pub(crate) fn pass(&mut self, datagram: &[u8], request: &[u8]) -> Result<Pass, Failure> {
        let Some(rest) = datagram.get(self.at..).filter(|rest| !rest.is_empty()) else {
            return Ok(Pass::More);
        };
        let Some((message, length)) = Message::split(rest) else {
            self.at = datagram.len();
            return Err(TOO_LONG);
        };
        self.at += aligned(length);
        if message.sequence != self.sequence {
            self.interrupted |= self.changes.is_some_and(|changes| changes.are_told_by(&message));
            return Ok(Pass::Passed);
        }
        self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.kind {
            NLMSG_OVERRUN => Err(Failure::Protocol("the kernel lost a part of its answer")),
            NLMSG_ERROR | NLMSG_DONE => self.end(&message, request).map(|()| Pass::End),
            _ => Ok(Pass::Passed),
        }
    }

    #[cold]
    fn end(&self, message: &Message<'_>, request: &[u8]) -> Result<(), Failure> {
        Refusal::check_of(self.protocol, message, request)
            .map_err(|refusal| Failure::Refused(Box::new(refusal)))?;
        match (self.answer, message.kind) {
            (Answer::Acknowledgement, NLMSG_ERROR) | (Answer::Dump, NLMSG_DONE) => Ok(()),
            (Answer::Acknowledgement, _) => Err(Failure::Protocol("the answer has no acknowledgement")),
            (Answer::Object, _) => Err(Failure::Protocol("the answer has no object")),
            (Answer::Dump, _) => Err(Failure::Protocol("the answer has no list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::{NLM_F_ACK_TLVS, RTM_GETLINK, RTM_NEWLINK};
    use super::*;
    use crate::wire::Request;

    const NLMSG_NOOP: u16 = 1;

    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn errno(errno: i32) -> Vec<u8> {
        [&(-errno).to_ne_bytes()[..], &[0; 16]].concat()
    }

    /// Feeds datagrams to the reply to request 7; gives whether it ended, the objects and the flag.
    fn reply(answer: Answer, datagrams: &[Vec<u8>]) -> (Result<bool, Failure>, usize, bool) {
        let request = Request::new(RTM_GETLINK, 0, &[0; 16]);
        let mut reply = Reply::new(Protocol::Route, RTM_GETLINK, 7, answer);
        let mut objects = 0;
        for datagram in datagrams {
            reply.next_datagram();
            loop {
                match reply.step(datagram, request.sent()) {
                    Ok(Step::Object(_)) => objects += 1,
                    Ok(Step::More) => break,
                    Ok(Step::End) => return (Ok(true), objects, reply.interrupted),
                    Err(failure) => return (Err(failure), objects, reply.interrupted),
                }
            }
        }
        (Ok(false), objects, reply.interrupted)
    }

    /// 2014's package made any other sequence number a hard error ("Wrong Seq nr"): one answer
    /// that came late spoiled the socket for good.
    #[test]
    fn late_answers_to_other_requests_are_skipped() {
        let datagrams = [
            message(NLMSG_ERROR, 0, 6, &errno(17)),
            [message(RTM_NEWLINK, 0, 5, b""), message(NLMSG_ERROR, 0, 7, &errno(0))].concat(),
        ];
        let (outcome, objects, _) = reply(Answer::Acknowledgement, &datagrams);
        assert!(matches!(outcome, Ok(true)));
        assert_eq!(objects, 0);
    }

    /// Linux 6.9 began to send the end together with the last objects, on which a well-known
    /// user-space network stack waited for ever.
    #[test]
    fn the_end_may_share_a_datagram_with_objects() {
        let datagram = [
            message(RTM_NEWLINK, 2, 7, b"1234"),
            message(RTM_NEWLINK, 2, 7, b"5678"),
            message(NLMSG_DONE, 2, 7, &[0; 4]),
        ];
        let (outcome, objects, interrupted) = reply(Answer::Dump, &[datagram.concat()]);
        assert!(matches!(outcome, Ok(true)));
        assert_eq!((objects, interrupted), (2, false));
    }

    #[test]
    fn an_errno_in_the_end_of_a_dump_is_an_error() {
        let datagrams =
            [message(RTM_NEWLINK, 2, 7, b""), message(NLMSG_DONE, 2 | NLM_F_ACK_TLVS, 7, &errno(2)[..4])];
        let (outcome, ..) = reply(Answer::Dump, &datagrams);
        assert!(matches!(outcome, Err(Failure::Refused(refusal)) if refusal.errno == 2));
    }

    #[test]
    fn an_interrupted_dump_is_noticed_wherever_the_flag_stands() {
        let flagged = |first, second, end| {
            let datagrams = [
                message(RTM_NEWLINK, first, 7, b""),
                message(RTM_NEWLINK, second, 7, b""),
                message(NLMSG_DONE, end, 7, &[0; 4]),
            ];
            reply(Answer::Dump, &datagrams).2
        };
        assert!(flagged(NLM_F_DUMP_INTR, 0, 0));
        assert!(flagged(0, NLM_F_DUMP_INTR, 0));
        assert!(flagged(0, 0, NLM_F_DUMP_INTR));
        assert!(!flagged(0, 0, 0));
    }

    #[test]
    fn an_answer_that_is_not_the_one_asked_for_is_an_error() {
        let done = message(NLMSG_DONE, 2, 7, &[0; 4]);
        let acknowledged = message(NLMSG_ERROR, 0, 7, &errno(0));
        let lost = message(NLMSG_OVERRUN, 0, 7, &[]);
        for (answer, datagram) in [
            (Answer::Acknowledgement, &done),
            (Answer::Object, &done),
            (Answer::Object, &acknowledged),
            (Answer::Dump, &acknowledged),
            (Answer::Dump, &lost),
        ] {
            let (outcome, ..) = reply(answer, std::slice::from_ref(datagram));
            assert!(matches!(outcome, Err(Failure::Protocol(_))), "{answer:?}: {outcome:?}");
        }
    }

    #[test]
    fn an_object_without_its_acknowledgement_is_not_the_end_of_a_change() {
        let echo = message(RTM_NEWLINK, 0, 7, b"");
        let (outcome, objects, _) = reply(Answer::Acknowledgement, &[message(NLMSG_NOOP, 0, 7, b""), echo]);
        assert!(matches!(outcome, Ok(false)));
        assert_eq!(objects, 1);
    }
}
