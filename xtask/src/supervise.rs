//! The supervisor: starts again what dies, says so, keeps the status file true, and ends everything in the right order.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::instance::{Instance, Status};
use crate::service::{Event, Service};
use crate::workspace::Workspace;
use crate::{console, kafka, prerequisites, stop, tool};

/// How long our own processes have to leave: they promise two seconds.
const LEAVE: Duration = Duration::from_millis(2_100);
/// How long Kafka's guard has after that; it kills after 2.5 s.
const LEAVE_KAFKA: Duration = Duration::from_millis(2_700);
/// What our processes end with when their configuration is wrong: starting them again would not help.
const BAD_CONFIGURATION: i32 = 64;
/// What they end with when something outside refuses them: their last word says what somebody must correct.
const UNAVAILABLE: i32 = 69;
/// A service that died this often before it answered once will not answer.
const HOPELESS: u32 = 4;

/// The running processes of one demo.
pub(crate) struct Supervisor<'a> {
    /// What is published about them.
    pub status: Status,
    workspace: &'a Workspace,
    instance: &'a Instance,
    services: Vec<Service>,
    /// When to start what died.
    due: Vec<(Instant, &'static str)>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    ready: bool,
}

impl<'a> Supervisor<'a> {
    /// A supervisor of nothing yet.
    pub(crate) fn new(
        workspace: &'a Workspace,
        instance: &'a Instance,
        sender: Sender<Event>,
        events: Receiver<Event>,
    ) -> Self {
        let status = Status { pid: std::process::id(), ..Status::default() };
        Self {
            status,
            workspace,
            instance,
            services: Vec::new(),
            due: Vec::new(),
            sender,
            events,
            ready: false,
        }
    }

    /// Takes care of a service that runs already.
    pub(crate) fn adopt(&mut self, service: Service) {
        self.services.push(service);
    }

    /// Starts a service and takes care of it.
    pub(crate) fn start(&mut self, mut service: Service) -> Result<()> {
        service.start(&self.sender)?;
        self.services.push(service);
        Ok(())
    }

    /// Waits until a service answers; deaths on the way are handled. An error when it dies again and again.
    pub(crate) fn wait_for(
        &mut self,
        name: &'static str,
        answers: impl Fn() -> bool,
        patience: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !answers() {
            stop::check()?;
            self.turn(Duration::from_millis(50))?;
            let Some(service) = self.services.iter().find(|service| service.name == name) else { continue };
            let hopeless = service.status.starts >= HOPELESS && !service.is_running();
            if hopeless || Instant::now() > deadline {
                let remedy = if name == kafka::NAME {
                    " If its data is damaged, `--fresh` begins without it."
                } else {
                    ""
                };
                bail!(
                    "{name} does not {}.{remedy} The end of {}:\n{}",
                    if hopeless { "start" } else { "answer" },
                    self.workspace.short(&service.log),
                    tool::tail(&service.log, 8)
                );
            }
        }
        Ok(())
    }

    /// Publishes the status from now on.
    pub(crate) fn publish(&mut self) -> Result<()> {
        self.ready = true;
        self.refresh()
    }

    /// Watches over the services until it is time to stop.
    pub(crate) fn watch(&mut self) -> Result<()> {
        while !stop::wanted() {
            let next = self.due.iter().map(|(at, _)| at.saturating_duration_since(Instant::now())).min();
            self.turn(next.unwrap_or(Duration::from_secs(3_600)))?;
        }
        Ok(())
    }

    /// Ends everything within five seconds, Kafka last, so that the others can still commit and leave their groups.
    pub(crate) fn stop(&mut self) {
        self.due.clear();
        self.end(|service| service.name != kafka::NAME, Service::close, LEAVE);
        self.end(|service| service.name == kafka::NAME, Service::terminate, LEAVE_KAFKA);
    }

    fn end(&mut self, which: impl Fn(&Service) -> bool, order: impl Fn(&mut Service), patience: Duration) {
        let deadline = Instant::now() + patience;
        self.services.iter_mut().filter(|service| which(service)).for_each(order);
        while self.services.iter().any(|service| which(service) && service.is_running()) {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended { service, pid, .. }) => drop(self.note_end(service, pid)),
                Ok(_) => {}
                Err(_) => {
                    self.services.iter_mut().filter(|service| which(service)).for_each(Service::kill);
                    return;
                }
            }
        }
    }

    /// One event, or the time at which something is due.
    pub(crate) fn turn(&mut self, patience: Duration) -> Result<()> {
        match self.events.recv_timeout(patience) {
            Ok(Event::Said { service, line }) => {
                if self.services.iter_mut().any(|found| found.name == service && found.note(&line)) {
                    self.refresh()?;
                }
            }
            Ok(Event::Ended { service, pid, status }) => self.ended(service, pid, status)?,
            Ok(Event::Stop) | Err(_) => {}
        }
        self.start_what_is_due()
    }

    fn ended(&mut self, name: &'static str, pid: u32, status: Option<ExitStatus>) -> Result<()> {
        let Some((service, pause)) = self.note_end(name, pid).filter(|_| !stop::wanted()) else {
            return Ok(());
        };
        match status.and_then(|status| status.code()) {
            Some(BAD_CONFIGURATION) => {
                bail!("{name} refuses its configuration:\n{}", tool::tail(&service.log, 5));
            }
            Some(UNAVAILABLE) => console::step(tool::tail(&service.log, 1)),
            _ => {}
        }
        let how = status.map_or_else(|| "ended".to_owned(), |status| format!("ended ({status})"));
        let log = service.log.clone();
        console::step(format_args!(
            "{name} {how}, starting it again in {:.1} s; its log: {}",
            pause.as_secs_f64(),
            self.workspace.short(&log)
        ));
        if prerequisites::disk_is_full(&self.instance.directory) {
            console::step("the disk is full: free some space, nothing can run without it");
        }
        self.due.push((Instant::now() + pause, name));
        Ok(())
    }

    /// The service whose current process this was, and the pause before its next start.
    fn note_end(&mut self, name: &'static str, pid: u32) -> Option<(&Service, Duration)> {
        let service = self.services.iter_mut().find(|service| service.name == name)?;
        let pause = service.ended(pid)?;
        Some((service, pause))
    }

    fn start_what_is_due(&mut self) -> Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, _) =
            std::mem::take(&mut self.due).into_iter().partition(|(at, _)| *at <= now);
        self.due = later;
        for (_, name) in due {
            for service in self.services.iter_mut().filter(|service| service.name == name) {
                service.start(&self.sender)?;
                console::step(format_args!("{name} is started again (process {})", service.status.pid));
            }
            self.refresh()?;
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        if !self.ready {
            return Ok(());
        }
        self.status.services =
            self.services.iter().map(|service| (service.name.to_owned(), service.status.clone())).collect();
        self.instance.publish(&self.status)
    }
}

/// Whether the server answers HTTP at its address.
pub(crate) fn server_answers(address: (IpAddr, u16)) -> bool {
    crate::http::get(SocketAddr::from(address), "/healthz").is_some_and(|(status, _)| status == 200)
}
