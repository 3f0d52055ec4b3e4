//! One random policy, held against the kernel: first packets of connections, then
//! the answers to them.

use virt_guard::facts::Domain;
use virt_guard::model::ConnState;
use virt_guard::net::Mac;

use super::engines::Engine;
use super::flow::{Flows, Tuple, first_state, tuple};
use super::frame::{Body, Frame, Ip, L4};
use super::generate;
use super::rng::Rng;
use super::station::{End, GUESTS};
use super::traffic;
use super::values::Values;
use super::volley::{Difference, Shot, fire};
use super::world::{Model, Way, World};

/// What was found.
pub struct Outcome {
    /// The files and guests, for a report.
    pub text: String,
    /// How many packets were sent.
    pub packets: usize,
    /// How many of them were to arrive somewhere.
    pub passed: usize,
    /// Where kernel and model disagree.
    pub differences: Vec<Difference>,
}

/// Tries policy `number` of `seed` with about so many packets.
///
/// # Errors
/// The program under test does not bring the policy into the kernel.
pub fn run(engine: &Engine, seed: u64, number: usize, packets: usize) -> Result<Outcome, String> {
    let mut rng = Rng::of_policy(seed, number);
    let policy = generate::policy(&mut rng);
    let domains: Vec<String> = GUESTS.iter().map(|guest| generate::domain(&mut rng, guest)).collect();
    let text = format!("{}\n{}\n{}", policy.settings, policy.policy, domains.join("\n"));
    let world = World::new(engine);
    world.write(&policy);
    let parse = |xml: &String| Domain::parse(xml, "domain XML").map_err(|error| format!("{error}\n{text}"));
    let parsed: Vec<Domain> = domains.iter().map(parse).collect::<Result<_, _>>()?;
    let way = if number.is_multiple_of(2) { Way::OneByOne } else { Way::AllAtOnce };
    let model = world.bring(&parsed, way).map_err(|error| format!("{}: {error:?}\n{text}", engine.kind))?;
    let mut run = Run { rng, model, flows: Flows::default(), next: 1 };
    let mut first = run.first(packets - packets / 4);
    let mut differences = fire(&world, &mut first);
    let mut answers = run.answers(&first, packets / 4);
    differences.extend(fire(&world, &mut answers));
    let passed = first.iter().chain(&answers).filter(|shot| shot.passes()).count();
    Ok(Outcome { text, packets: first.len() + answers.len(), passed, differences })
}

struct Run {
    rng: Rng,
    model: Model,
    flows: Flows,
    next: u32,
}

impl Run {
    fn shot(&mut self, from: End, frame: Frame, state: ConnState) -> Shot {
        self.next += 1;
        Shot::new(&self.model, self.next, from, frame, state)
    }

    /// First packets of connections, and what belongs to none.
    fn first(&mut self, number: usize) -> Vec<Shot> {
        let values = Values::of(&self.model.policy);
        let mut shots = Vec::new();
        while shots.len() < number {
            let (from, frame) = traffic::first(&mut self.rng, &values);
            let state = frame.ip().map_or(ConnState::Untracked, first_state);
            let flow = frame.ip().and_then(tuple);
            if flow.is_some_and(|flow| !self.flows.is_free(flow)) || frame.ip().is_some_and(|ip| !self.is_fit(ip)) {
                continue;
            }
            let shot = self.shot(from, frame, state);
            if let Some(flow) = flow {
                // What the host sends is a connection before it meets the bridge.
                self.flows.note(flow, state == ConnState::New && (shot.passes() || from == End::Host));
            }
            shots.push(shot);
        }
        shots
    }

    /// The host answers some packets by itself, and a second packet of such a
    /// connection would not be its first any more.
    fn is_fit(&self, ip: &Ip) -> bool {
        let again = tuple(ip).is_some_and(|flow| self.flows.is_used(flow));
        let answered = matches!(ip.transport, L4::Tcp(..) | L4::Icmp(..));
        ip.source != ip.destination && !(again && answered)
    }

    /// Answers to some of `first`.
    fn answers(&mut self, first: &[Shot], most: usize) -> Vec<Shot> {
        let mut shots = Vec::new();
        let answerable: Vec<_> = first.iter().filter_map(|shot| Question::of(shot, &self.flows)).collect();
        for question in answerable {
            if shots.len() < most && self.rng.chance(60) {
                shots.extend(self.answer(&question));
            }
        }
        shots
    }

    fn answer(&mut self, question: &Question<'_>) -> Option<Shot> {
        let Question { ip, flow, asker, answerer } = *question;
        let is_error = self.rng.chance(30);
        let mut answer = if is_error { traffic::error(&mut self.rng, ip, answerer) } else { traffic::reply(ip)? };
        if is_error && !traffic::is_quotable(ip) {
            return None;
        }
        if !is_error && self.flows.state_of_answer(flow, false, ConnState::New) == ConnState::New {
            answer.transport = self.fresh(answer.transport);
        }
        let state = self.flows.state_of_answer(flow, is_error, first_state(&answer));
        let frame = Frame { to: asker.station().mac, from: answerer.station().mac, body: Body::Ip(answer) };
        Some(self.shot(answerer, frame, state))
    }

    /// What goes back where nothing came through is the first packet of all, or
    /// one that belongs nowhere.
    fn fresh(&mut self, answer: L4) -> L4 {
        match answer {
            L4::Tcp(source, destination, ..) if self.rng.chance(70) => L4::syn(source, destination),
            L4::Sctp(source, destination, ..) => L4::Sctp(source, destination, 0, super::frame::INIT),
            other => other,
        }
    }
}

/// A packet that can be answered: from one to one other, of a connection that it
/// alone belongs to.
#[derive(Clone, Copy)]
struct Question<'a> {
    ip: &'a Ip,
    flow: Tuple,
    asker: End,
    answerer: End,
}

impl<'a> Question<'a> {
    fn of(shot: &'a Shot, flows: &Flows) -> Option<Self> {
        let ip = shot.frame.ip()?;
        let flow = tuple(ip).filter(|flow| flows.is_single(*flow))?;
        let (&answerer, _) = shot.expected.first_key_value()?;
        let addresses = [ip.source, ip.destination];
        let single = shot.expected.len() == 1 && !shot.frame.to.is_multicast();
        let plain = addresses
            .iter()
            .all(|address| !address.is_multicast() && !address.is_unspecified() && !is_broadcast(*address));
        let asker = shot.from;
        let by_host =
            answerer != End::Host || (matches!(ip.transport, L4::Udp(..) | L4::Other(_)) && is_own(ip, asker));
        (single && plain && by_host && shot.frame.to != Mac::BROADCAST).then_some(Self { ip, flow, asker, answerer })
    }
}

fn is_broadcast(address: std::net::IpAddr) -> bool {
    matches!(address, std::net::IpAddr::V4(v4) if v4.is_broadcast())
}

/// Whether the host would find the sender by the packet's source address.
fn is_own(ip: &Ip, asker: End) -> bool {
    let station = asker.station();
    [station.v4.into(), station.v6.into(), station.mac.link_local().into()].contains(&ip.source)
}
