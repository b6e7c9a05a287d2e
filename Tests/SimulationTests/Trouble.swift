import LedgerCore

/// What happens to replicas and between them.
enum Trouble: CaseIterable {
    case crash
    case silentCrash
    case shortPause
    case longPause
    case cutNetwork
    case cutFromStore
    case untrustedClock
    /// The wall clock is set, by less than is noticed.
    case clockStep
    case leaving
    case joining
    case reading
}

extension World {
    /// Callers of all kinds, at random times.
    ///
    /// - Parameter idPool: how many ids there are; nil where every event has an id of its own.
    func scheduleCallers(
        from start: Int64 = 0, until end: Int64, unary: Int, streams: Int, idPool: Int64?,
        cancels: Bool = false
    ) {
        for _ in 0..<unary {
            schedule(after: delay(start, end) - now) { [self] in
                guard let replica = anyRunning() else { return }
                submitAny(idPool, to: replica)
                if cancels, delay(0, 5) == 0 { cancelLater() }
            }
        }
        for _ in 0..<streams {
            schedule(after: delay(start, end) - now) { [self] in
                guard let replica = anyRunning() else { return }
                let stream = makeStream()
                let pace = delay(100_000, 20_000_000)
                guard let life = replicas[replica].life else { return }
                push(
                    Int(delay(1, 30)), into: stream, of: replica, life: life, idPool, pace: pace,
                    cancels: cancels)
            }
        }
    }

    /// The caller that came last goes away soon.
    private func cancelLater() {
        let place = history.submissions.count - 1
        schedule(after: delay(0, 70_000_000)) { [self] in cancel(place) }
    }

    private func submitAny(_ idPool: Int64?, to replica: Int, stream: StreamID? = nil) {
        let id = idPool.map { "event-\(delay(1, $0))" } ?? "own-\(history.submissions.count)"
        // One caller in eight gives the id another content.
        let content = UInt8(idPool != nil && delay(0, 7) == 0 ? 1 : 0)
        submit(id: id, payload: [content], to: replica, stream: stream)
    }

    /// Submits the events of a stream, as far as it is read.
    private func push(
        _ count: Int, into stream: StreamID, of number: Int, life: Life, _ idPool: Int64?,
        pace: Int64, cancels: Bool
    ) {
        let replica = replicas[number]
        guard count > 0, replica.life === life, !replica.isStopping else { return }
        replica.whenReadable(stream) { [self] in
            submitAny(idPool, to: number, stream: stream)
            if cancels, delay(0, 9) == 0 { cancelLater() }
            schedule(after: delay(0, pace)) { [self] in
                push(
                    count - 1, into: stream, of: number, life: life, idPool, pace: pace,
                    cancels: cancels)
            }
        }
    }

    func scheduleTrouble(_ kinds: [Trouble], until end: Int64, every interval: Int64) {
        for step in stride(from: interval, to: end, by: Int(interval)) {
            schedule(after: step) { [self] in
                make(any(of: kinds))
            }
        }
    }

    private func any<Element>(of elements: [Element]) -> Element {
        elements[Int(delay(0, Int64(elements.count - 1)))]
    }

    /// Starts it again, once it has stopped.
    private func restart(_ replica: SimulatedReplica, after length: Int64) {
        schedule(after: length) { [self] in
            if !replica.isRunning {
                replica.start()
            } else if replica.isLeaving {
                restart(replica, after: 100_000_000)
            }
        }
    }

    private func make(_ trouble: Trouble) {
        let replica = any(of: replicas)
        switch trouble {
        case .crash, .silentCrash:
            replica.crash(silently: trouble == .silentCrash)
            restart(replica, after: delay(1_000_000, 1_500_000_000))
        case .shortPause: replica.pause(for: delay(1_000_000, 150_000_000))
        case .longPause: replica.pause(for: delay(150_000_000, 4_500_000_000))
        case .cutNetwork:
            let other = any(of: replicas)
            guard other !== replica else { return }
            cut(replica.number, other.number)
            schedule(after: delay(10_000_000, 2_500_000_000)) { [self] in
                cut(replica.number, other.number, false)
            }
        case .cutFromStore:
            replica.isCutOff = true
            schedule(after: delay(10_000_000, 3_500_000_000)) { replica.isCutOff = false }
        case .untrustedClock:
            guard let life = replica.life else { return }
            life.wall = delay(0, 1) == 0 ? .untrusted : .unsampled
            schedule(after: delay(10_000_000, 2_500_000_000)) { life.wall = .trusted }
        case .clockStep: replica.life?.wallAhead += delay(-400, 400)
        case .leaving:
            replica.stop()
            restart(replica, after: delay(400_000_000, 1_500_000_000))
        case .joining:
            if replicas.count < 6 {
                addReplica().start()
            } else {
                replica.follow()
            }
        case .reading: replica.follow()
        }
    }
}
