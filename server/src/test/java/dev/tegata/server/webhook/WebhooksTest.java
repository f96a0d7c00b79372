// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.platform.testing.Waits;
import dev.tegata.platform.webhook.Delivery;
import dev.tegata.platform.webhook.RetryRules;
import dev.tegata.platform.webhook.Webhook;
import dev.tegata.platform.webhook.WebhookId;
import dev.tegata.platform.webhook.WebhookWorkers;
import dev.tegata.platform.webhook.Webhooks;
import dev.tegata.server.webhook.Receiver.Received;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A webhook")
class WebhooksTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Actor ACTOR = Actor.OPERATOR;
    private static final RetryRules PATIENT =
            new RetryRules(Duration.ofMillis(50), Duration.ofMillis(200), Duration.ofMinutes(1), Duration.ofMinutes(1));
    private static final RetryRules HASTY = new RetryRules(
            Duration.ofMillis(50), Duration.ofMillis(100), Duration.ofMillis(400), Duration.ofMinutes(1));

    private final SecureRandom random = new SecureRandom();
    private final Receiver receiver = new Receiver();
    private TestPlatform platform;
    private OutboundHttp http;
    private Webhooks webhooks;
    private TenantId tenant;

    @BeforeEach
    void setUp() {
        InstantSource clock = InstantSource.system();
        platform = TestPlatform.software(testDatabase.database(), clock);
        tenant = platform.tenant().tenant().id();
        http = new OutboundHttp((SSLSocketFactory) SSLSocketFactory.getDefault(), true);
        TenantSeals seals = new TenantSeals(platform.database, platform.vault, clock, random);
        webhooks = new Webhooks(
                new Webhooks.Ground(platform.database, platform.audit, platform.outbox, seals),
                new HttpMessenger(http, clock),
                clock,
                random);
    }

    @AfterEach
    void tearDown() {
        receiver.close();
        http.close();
        platform.close();
    }

    private WebhookWorkers node(RetryRules rules) {
        return WebhookWorkers.start(platform.database, platform.outbox, webhooks, rules, random);
    }

    private WebhookId create(String... types) {
        return webhooks.create(tenant, ACTOR, "Test", receiver.url(), List.of(types))
                .webhook()
                .id();
    }

    private void append(String subject, int number) {
        platform.database.inTenant(tenant, tx -> {
            platform.outbox.append(
                    tx, tenant, new Event("dev.tegata.test.happened", subject, Map.of("number", number)));
            return null;
        });
    }

    private List<Delivery> deliveries(WebhookId id, Delivery.State state) {
        return webhooks.deliveries(tenant, id, state, Page.Request.first()).items();
    }

    private static void await(BooleanSupplier wanted) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!wanted.getAsBoolean()) {
            assertThat(System.nanoTime()).as("in vain").isLessThan(end);
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private static List<Integer> numbers(List<Received> received, String subject) {
        return received.stream()
                .filter(one -> one.subject().equals(subject))
                .map(Received::number)
                .toList();
    }

    @Test
    @DisplayName("keeps the order of each subject while many attempts fail, and two nodes do not send twice")
    void order() throws Exception {
        Set<String> seen = ConcurrentHashMap.newKeySet();
        // Each event fails at its first attempt.
        receiver.answers(one -> seen.add(one.body()) && one.number() % 3 == 0 ? 500 : 200);
        create();
        try (WebhookWorkers _ = node(PATIENT);
                WebhookWorkers _ = node(PATIENT)) {
            for (int i = 0; i < 15; i++) {
                for (int subject = 0; subject < 6; subject++) {
                    append("device:" + subject, i);
                }
            }
            receiver.await(all -> all.taken().size() >= 90);
        }
        for (int subject = 0; subject < 6; subject++) {
            assertThat(numbers(receiver.taken(), "device:" + subject))
                    .containsExactlyElementsOf(IntStream.range(0, 15).boxed().toList());
        }
        assertThat(receiver.all()).hasSize(90 + 30);
    }

    @Test
    @DisplayName("holds back the subject that fails, and no other; then gives it up, shows it, and sends it again")
    void deadLetters() throws Exception {
        AtomicBoolean sick = new AtomicBoolean(true);
        receiver.answers(one -> sick.get() && one.subject().equals("device:sick") && one.number() == 0 ? 503 : 200);
        WebhookId id = create();
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:sick", 0);
            append("device:sick", 1);
            append("device:well", 0);
            receiver.await(all -> all.taken().size() == 1 && all.all().size() >= 3);
            assertThat(receiver.taken().getFirst().subject()).isEqualTo("device:well");
        }
        try (WebhookWorkers _ = node(HASTY)) {
            receiver.await(all -> all.taken().size() == 2);
            Delivery dead = deliveries(id, Delivery.State.DEAD).getFirst();
            assertThat(dead.attempts()).isGreaterThan(1);
            assertThat(dead.status()).isEqualTo(503);
            assertThat(dead.problem()).contains("503");

            sick.set(false);
            assertThat(webhooks.redeliver(tenant, ACTOR, id, dead.id())).isEqualTo(1);
            receiver.await(all -> all.taken().size() == 3);
            assertThat(receiver.taken().getLast().number()).isZero();
            assertThat(receiver.taken().getLast().part("d")).isEqualTo(dead.id().toString());
            await(() -> deliveries(id, Delivery.State.DELIVERED).size() == 3);
        }
    }

    @Test
    @DisplayName("sends again what is asked for in the moment in which a node gives the webhook back")
    void givenBack() throws Exception {
        WebhookId id = create();
        TenantId elsewhere = platform.tenant().tenant().id();
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:1", 0);
            receiver.await(all -> all.taken().size() == 1);
            await(() -> deliveries(id, Delivery.State.DELIVERED).size() == 1);
            Delivery delivery = deliveries(id, Delivery.State.DELIVERED).getFirst();
            for (int i = 2; i < 150; i++) {
                int wanted = i;
                webhooks.redeliver(tenant, ACTOR, id, delivery.id());
                // Another tenant's event only makes the node look at once.
                platform.database.inTenant(elsewhere, tx -> {
                    platform.outbox.append(tx, elsewhere, new Event("dev.tegata.test.happened", "device:1", Map.of()));
                    return null;
                });
                receiver.await(all -> all.taken().size() >= wanted);
                while (deliveries(id, Delivery.State.DELIVERED).isEmpty()) {
                    Thread.onSpinWait();
                }
                TimeUnit.MICROSECONDS.sleep(random.nextInt(3000));
            }
        }
    }

    @Test
    @DisplayName("sends again soon what could not be settled while the database was away for a moment")
    void away() throws Exception {
        WebhookId id = create();
        receiver.answers(_ -> 500);
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:1", 0);
            await(() -> deliveries(id, Delivery.State.PENDING).stream().anyMatch(one -> one.attempts() > 0));
            platform.database.inTenant(tenant, tx -> {
                tx.execute("SELECT 1 FROM webhook_delivery WHERE tenant_id = ? FOR UPDATE", tenant.value());
                Waits.untilBlocked(platform.database, 1);
                return tx.execute("""
                        SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                        WHERE NOT l.granted AND a.datname = current_database()""");
            });
            receiver.answers(_ -> 200);
            await(() -> deliveries(id, Delivery.State.DELIVERED).size() == 1);
        }
    }

    @Test
    @DisplayName("goes on where a node that died has stopped")
    void restart() throws Exception {
        create();
        receiver.answers(_ -> 500);
        try (WebhookWorkers _ = node(PATIENT)) {
            for (int i = 0; i < 5; i++) {
                append("device:1", i);
            }
            receiver.await(all -> all.all().size() >= 2);
        }
        // What a killed process leaves behind: a lease that has run out.
        platform.database.inTenant(
                tenant,
                tx -> tx.execute(
                        "UPDATE event_reader SET leased_by = ?, leased_until = now() - interval '1 s'"
                                + " WHERE tenant_id = ?",
                        java.util.UUID.randomUUID(),
                        tenant.value()));
        receiver.answers(_ -> 200);
        try (WebhookWorkers _ = node(PATIENT)) {
            receiver.await(all -> all.taken().size() == 5);
        }
        assertThat(numbers(receiver.taken(), "device:1")).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    @DisplayName("signs so that openssl agrees, with an event as CloudEvents has it")
    void signature(@TempDir Path folder) throws Exception {
        Webhook.Created made = webhooks.create(tenant, ACTOR, "Signed", receiver.url(), List.of());
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:1", 7);
            receiver.await(all -> all.taken().size() == 1);
        }
        Received one = receiver.taken().getFirst();
        assertThat(one.event().path("specversion").asString()).isEqualTo("1.0");
        Path signed = Files.writeString(folder.resolve("signed"), one.part("t") + "." + one.body());
        Process openssl = new ProcessBuilder(
                        "openssl", "dgst", "-sha256", "-hmac", made.secret(), "-r", signed.toString())
                .start();
        String digest = new String(openssl.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        assertThat(digest).startsWith(one.part("v1") + " ");
        assertThat(made.toString()).doesNotContain(made.secret());
    }

    @Test
    @DisplayName("gets the types that it asks for, from its making on, and nothing of other tenants")
    void types() throws Exception {
        append("device:before", 1);
        WebhookId id = create("dev.tegata.test");
        WebhookId other = create("dev.tegata.tes", "dev.tegata.test.happened.more");
        TenantId elsewhere = platform.tenant().tenant().id();
        assertThatThrownBy(() -> webhooks.get(elsewhere, id)).isInstanceOf(RefusedException.class);
        try (WebhookWorkers _ = node(PATIENT)) {
            platform.database.inTenant(elsewhere, tx -> {
                platform.outbox.append(tx, elsewhere, new Event("dev.tegata.test.happened", "device:x", Map.of()));
                return null;
            });
            append("device:after", 2);
            receiver.await(all -> all.taken().size() == 1);
            await(() -> deliveries(id, Delivery.State.DELIVERED).size() == 1);
        }
        assertThat(receiver.all()).hasSize(1);
        assertThat(receiver.all().getFirst().subject()).isEqualTo("device:after");
        assertThat(deliveries(other, Delivery.State.DELIVERED)).isEmpty();
    }

    @Test
    @DisplayName("is paused by 410, with an event, and goes on when it is resumed; a redirection is a failure")
    void gone() throws Exception {
        receiver.answers(_ -> 302);
        WebhookId id = create();
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:1", 1);
            receiver.await(all -> all.all().size() >= 2);
            receiver.answers(_ -> 410);
            await(() -> webhooks.get(tenant, id).state() == Webhook.State.PAUSED);
            assertThat(webhooks.get(tenant, id).reason()).contains("410");
            int until = receiver.all().size();
            append("device:1", 2);
            append("device:2", 3);
            assertThat(webhooks.test(tenant, id).status()).isEqualTo(410);
            assertThat(receiver.all()).hasSize(until + 1);

            receiver.answers(_ -> 200);
            webhooks.resume(tenant, ACTOR, id);
            receiver.await(all -> all.taken().stream().anyMatch(one -> one.number() == 3));
            receiver.await(all -> numbers(all.taken(), "device:1").equals(List.of(1, 2)));
            Set<String> types = new HashSet<>();
            receiver.taken().forEach(one -> types.add(one.event().path("type").asString()));
            assertThat(types).contains("dev.tegata.webhook.paused");
        }
    }

    @Test
    @DisplayName("comes back when Retry-After says, and is paused where nothing gets through for too long")
    void patience() throws Exception {
        receiver.answers(_ -> 503);
        receiver.retryAfter("3600");
        WebhookId id = create();
        Duration no = Duration.ZERO;
        try (WebhookWorkers _ = node(new RetryRules(
                Duration.ofMillis(50), Duration.ofMillis(100), Duration.ofDays(1), Duration.ofDays(1)))) {
            append("device:1", 1);
            receiver.await(all -> all.all().size() == 1);
            await(() -> deliveries(id, Delivery.State.PENDING).getFirst().attempts() == 1);
            assertThat(deliveries(id, Delivery.State.PENDING).getFirst().dueAt())
                    .isAfter(InstantSource.system().instant().plusSeconds(3500));
        }
        try (WebhookWorkers _ =
                node(new RetryRules(Duration.ofMillis(50), Duration.ofMillis(100), Duration.ofDays(1), no))) {
            append("device:2", 1);
            await(() -> webhooks.get(tenant, id).state() == Webhook.State.PAUSED);
        }
    }

    @Test
    @DisplayName("is gone with all that was on its way")
    void deleted() throws Exception {
        receiver.answers(_ -> 500);
        WebhookId id = create();
        try (WebhookWorkers _ = node(PATIENT)) {
            append("device:1", 1);
            receiver.await(all -> !all.all().isEmpty());
            webhooks.delete(tenant, ACTOR, id);
            assertThatThrownBy(() -> webhooks.get(tenant, id)).isInstanceOf(RefusedException.class);
        }
        long rows = platform.database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT (SELECT count(*) FROM webhook_delivery) + (SELECT count(*) FROM event_reader)")
                        .mapTo(Long.class)
                        .one());
        assertThat(rows).isZero();
    }
}
