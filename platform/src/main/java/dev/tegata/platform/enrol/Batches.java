// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;

/// Takes the requests of concurrent callers to the database together: those that come while one batch is
/// under way share the next. Nobody waits for others to come.
///
/// There are a fixed number of lanes; a tenant always uses the same one, and a lane has at most one batch
/// under way, of one tenant. The caller that finds its lane idle carries its own batch and hands the lane
/// on; nobody else waits for a thread.
public final class Batches<Q, A> {
    private static final int LANES = 64;
    private static final int BATCH_LIMIT = 256;
    private static final int WAITING_LIMIT = 4096;

    private final String name;
    private final Function<Q, Object> subject;
    private final Carrier<Q, A> carrier;
    private final List<Lane<Q, A>> lanes = new ArrayList<>();

    /// @param name of the threads
    /// @param subject what a request is about: two about the same never share a batch
    public Batches(String name, Function<Q, Object> subject, Carrier<Q, A> carrier) {
        this.name = name;
        this.subject = subject;
        this.carrier = carrier;
        for (int i = 0; i < LANES; i++) {
            lanes.add(new Lane<>());
        }
    }

    /// Does the work of one batch.
    public interface Carrier<Q, A> {
        /// @return the answers, in the order of the requests
        List<A> carry(TenantId tenant, List<Q> requests);
    }

    private record Waiting<Q, A>(TenantId tenant, Q request, CompletableFuture<A> answer) {}

    private static final class Lane<Q, A> {
        // Both guarded by this lane's monitor.
        private final ArrayDeque<Waiting<Q, A>> waiting = new ArrayDeque<>();
        private boolean busy;
    }

    /// Has a request carried out, and returns its answer.
    ///
    /// @throws UnavailableException where too many wait already; what the carrier throws passes through
    public A ask(TenantId tenant, Q request) {
        Lane<Q, A> lane = lanes.get(Math.floorMod(tenant.hashCode(), LANES));
        Waiting<Q, A> mine = new Waiting<>(tenant, request, new CompletableFuture<>());
        boolean carry;
        synchronized (lane) {
            if (lane.waiting.size() >= WAITING_LIMIT) {
                throw new UnavailableException("too many requests wait for the database");
            }
            lane.waiting.add(mine);
            carry = !lane.busy;
            lane.busy = true;
        }
        if (carry) {
            carryOneBatch(lane);
        }
        try {
            return mine.answer().join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private void carryOneBatch(Lane<Q, A> lane) {
        List<Waiting<Q, A>> batch;
        synchronized (lane) {
            batch = takeBatch(lane.waiting);
        }
        answer(batch);
        synchronized (lane) {
            if (lane.waiting.isEmpty()) {
                lane.busy = false;
                return;
            }
        }
        Thread.ofVirtual().name(name).start(() -> carryOneBatch(lane));
    }

    /// Takes requests of the first one's tenant, at most one per subject.
    private List<Waiting<Q, A>> takeBatch(ArrayDeque<Waiting<Q, A>> waiting) {
        List<Waiting<Q, A>> batch = new ArrayList<>();
        Set<Object> subjects = new HashSet<>();
        Iterator<Waiting<Q, A>> all = waiting.iterator();
        while (all.hasNext() && batch.size() < BATCH_LIMIT) {
            Waiting<Q, A> next = all.next();
            boolean sameTenant = batch.isEmpty() || batch.getFirst().tenant().equals(next.tenant());
            if (sameTenant && subjects.add(subject.apply(next.request()))) {
                batch.add(next);
                all.remove();
            }
        }
        return batch;
    }

    private void answer(List<Waiting<Q, A>> batch) {
        try {
            List<A> answers = carrier.carry(
                    batch.getFirst().tenant(),
                    batch.stream().map(Waiting::request).toList());
            for (int i = 0; i < batch.size(); i++) {
                batch.get(i).answer().complete(answers.get(i));
            }
        } catch (RuntimeException | Error e) {
            batch.forEach(waiting -> waiting.answer().completeExceptionally(e));
        }
    }
}
