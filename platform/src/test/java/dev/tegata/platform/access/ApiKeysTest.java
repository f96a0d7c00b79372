// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.audit.AuditRecord;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.platform.testing.Waits;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("API keys")
final class ApiKeysTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final String SOURCE = "192.0.2.7";

    private final TestClock clock = TestClock.create();

    private TestPlatform platform;
    private TenantId tenant;
    private Caller owner;
    private CreatedApiKey first;

    @BeforeEach
    void open() {
        platform = TestPlatform.software(DATABASE.database(), clock);
        CreatedTenant created = platform.tenant();
        tenant = created.tenant().id();
        first = created.adminKey();
        owner = platform.apiKeys.authenticate(first.text(), SOURCE);
    }

    @AfterEach
    void close() {
        platform.close();
    }

    private CreatedApiKey create(Role role) {
        return platform.apiKeys.create(tenant, owner, new NewApiKey("a key", role, null));
    }

    private static void assertRefused(ErrorCode code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    private void assertShut(String text) {
        assertRefused(ErrorCode.UNAUTHENTICATED, () -> platform.apiKeys.authenticate(text, SOURCE));
    }

    @Test
    void aKeyLetsItsHolderIn() {
        CreatedApiKey made = create(Role.OPERATOR);
        assertThat(made.text()).matches("tgt_" + tenant + "_[0-9a-z]{8}_[0-9A-Za-z_-]{43}");
        Caller caller = platform.apiKeys.authenticate(made.text(), SOURCE);
        assertThat(caller).isEqualTo(new Caller(tenant, made.key().keyId(), Role.OPERATOR));
        assertThat(caller.actor()).hasToString("apikey:" + made.key().keyId());
    }

    @Test
    void theSecretIsNowhere() {
        CreatedApiKey made = create(Role.ADMIN);
        String secret = made.text().substring(made.text().lastIndexOf(made.key().keyId()) + 9);
        assertThat(made.toString()).doesNotContain(secret);
        assertThat(platform.apiKeys.list(tenant, Page.Request.first()).items().toString())
                .contains(made.key().keyId())
                .doesNotContain(secret);
        assertThat(platform.audit.records(tenant, Page.Request.first()).items().toString())
                .doesNotContain(secret);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "tgt",
                "tgt____",
                "tgt_t000000000_00000000_",
                "tgt_t000000000_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "tgt_t000000000_00000000_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
                "tgt_t00000000\u0000_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "tgo_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            })
    void whatIsNoKeyIsRefused(String text) {
        assertShut(text);
    }

    @Test
    void noTextBreaksTheReaderOfKeys() {
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < 5000; i++) {
            StringBuilder text = new StringBuilder(first.text());
            for (int changes = random.nextInt(1, 4); changes > 0; changes--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(3)) {
                    case 0 -> text.setCharAt(at, (char) random.nextInt(random.nextBoolean() ? 128 : 65536));
                    case 1 -> text.deleteCharAt(at);
                    default -> text.insert(at, text.charAt(random.nextInt(text.length())));
                }
            }
            ApiKeyText.parse(text.toString())
                    .ifPresent(key -> assertThat(key.keyId()).hasSize(ApiKeyText.KEY_ID_LENGTH));
        }
    }

    @Test
    void aWrongSecretIsRefusedAndAudited() {
        String wrong = first.text().substring(0, first.text().length() - 4) + "AAAA";
        assertShut(wrong);
        platform.refusals.flush();
        AuditRecord record =
                platform.audit.records(tenant, Page.Request.first()).items().getFirst();
        assertThat(record.action()).isEqualTo("request.refused");
        assertThat(record.detail())
                .containsEntry("detail", "the secret is wrong")
                .containsEntry("source", SOURCE);
        assertThat(record.toString()).doesNotContain(wrong.substring(24, 40));
    }

    @Test
    void aKeyOfOneTenantIsNoneOfAnother() {
        TenantId other = platform.tenant().tenant().id();
        assertShut(first.text().replace(tenant.value(), other.value()));
        Caller stranger = TestPlatform.owner(other);
        assertRefused(
                ErrorCode.NOT_FOUND,
                () -> platform.apiKeys.revoke(other, stranger, first.key().keyId()));
        assertThat(platform.apiKeys.list(other, Page.Request.first()).items())
                .extracting(ApiKey::keyId)
                .doesNotContain(first.key().keyId());
    }

    @Test
    void aKeyEndsWhenItExpires() {
        CreatedApiKey made = platform.apiKeys.create(
                tenant,
                owner,
                new NewApiKey("short", Role.ADMIN, clock.instant().plusSeconds(1)));
        platform.apiKeys.authenticate(made.text(), SOURCE);
        clock.advance(Duration.ofSeconds(1));
        assertShut(made.text());
        assertRefused(
                ErrorCode.INVALID_FIELD,
                () -> platform.apiKeys.create(tenant, owner, new NewApiKey("late", Role.ADMIN, clock.instant())));
    }

    @Test
    void aRevokedKeyEndsOnEveryNodeAtOnce() {
        CreatedApiKey made = create(Role.ADMIN);
        try (Database second = Database.open(DATABASE.config());
                TestPlatform elsewhere = TestPlatform.software(second, clock)) {
            elsewhere.apiKeys.authenticate(made.text(), SOURCE);
            platform.apiKeys.authenticate(made.text(), SOURCE);
            Waits.untilRemembered(second, () -> elsewhere.apiKeys.authenticate(made.text(), SOURCE));
            platform.apiKeys.revoke(tenant, owner, made.key().keyId());
            assertRefused(ErrorCode.UNAUTHENTICATED, () -> elsewhere.apiKeys.authenticate(made.text(), SOURCE));
            assertShut(made.text());
            platform.apiKeys.revoke(tenant, owner, made.key().keyId());
        }
    }

    @Test
    void theLastValidOwnerStays() {
        String keyId = first.key().keyId();
        assertRefused(ErrorCode.CONFLICT, () -> platform.apiKeys.revoke(tenant, owner, keyId));
        platform.apiKeys.create(
                tenant,
                owner,
                new NewApiKey("short", Role.OWNER, clock.instant().plusSeconds(60)));
        clock.advance(Duration.ofSeconds(60));
        assertRefused(ErrorCode.CONFLICT, () -> platform.apiKeys.revoke(tenant, owner, keyId));
        create(Role.OWNER);
        platform.apiKeys.revoke(tenant, owner, keyId);
        assertShut(first.text());
    }

    @Test
    void twoOwnersCannotRevokeEachOtherAtOneMoment() throws Exception {
        List<String> keys =
                List.of(first.key().keyId(), create(Role.OWNER).key().keyId());
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> revocations = new ArrayList<>();
            for (String key : keys) {
                revocations.add(threads.submit(() -> {
                    try {
                        platform.apiKeys.revoke(tenant, owner, key);
                    } catch (RefusedException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT);
                    }
                }));
            }
            for (Future<?> revocation : revocations) {
                revocation.get();
            }
        }
        assertThat(platform.apiKeys.list(tenant, Page.Request.first()).items())
                .filteredOn(key -> key.isValidAt(clock.instant()))
                .hasSize(1);
    }

    @Test
    void nobodyHandsOnWhatTheyDoNotHave() {
        Caller admin = platform.apiKeys.authenticate(create(Role.ADMIN).text(), SOURCE);
        assertRefused(
                ErrorCode.FORBIDDEN,
                () -> platform.apiKeys.create(tenant, admin, new NewApiKey("more", Role.OWNER, null)));
        assertRefused(
                ErrorCode.FORBIDDEN,
                () -> platform.apiKeys.revoke(tenant, admin, first.key().keyId()));
        platform.apiKeys.create(tenant, admin, new NewApiKey("same", Role.ADMIN, null));
        for (Role role : EnumSet.of(Role.OPERATOR, Role.AUDITOR, Role.DEVICE_IMPORT)) {
            for (Role wanted : Role.values()) {
                assertThat(role.mayManage(wanted)).isFalse();
            }
        }
    }

    @Test
    void theTableOfRoles() {
        assertThat(allowed(Role.OWNER)).containsExactlyInAnyOrder(Permission.values());
        assertThat(allowed(Role.ADMIN))
                .hasSize(Permission.values().length - 2)
                .doesNotContain(Permission.MANAGE_AUTHORITIES, Permission.EXPORT_BACKUP);
        assertThat(allowed(Role.OPERATOR))
                .containsExactlyInAnyOrder(
                        Permission.READ_TENANT,
                        Permission.READ_FLEETS,
                        Permission.READ_MANIFESTS,
                        Permission.IMPORT_MANIFESTS,
                        Permission.READ_DEVICES,
                        Permission.MANAGE_DEVICES,
                        Permission.VERIFY_EVIDENCE,
                        Permission.READ_APPRAISALS,
                        Permission.ASK_DECISIONS,
                        Permission.READ_AUDIT);
        assertThat(allowed(Role.AUDITOR)).allMatch(permission -> permission.id().startsWith("read-"));
        assertThat(allowed(Role.DEVICE_IMPORT))
                .containsExactlyInAnyOrder(
                        Permission.READ_FLEETS, Permission.READ_MANIFESTS, Permission.IMPORT_MANIFESTS);
        assertRefused(
                ErrorCode.FORBIDDEN,
                () -> new Caller(tenant, "00000000", Role.AUDITOR).require(Permission.IMPORT_MANIFESTS));
    }

    private static Set<Permission> allowed(Role role) {
        Set<Permission> allowed = EnumSet.allOf(Permission.class);
        allowed.removeIf(permission -> !role.allows(permission));
        return allowed;
    }

    @Test
    void aSourceThatGuessesIsStoppedAndOthersAreNot() {
        for (int i = 0; i < 19; i++) {
            assertShut("tgt_" + tenant + "_0000000" + i % 10 + "_" + "A".repeat(43));
        }
        assertThat(platform.apiKeys.authenticate(first.text(), SOURCE)).isEqualTo(owner);
        CreatedApiKey second = create(Role.AUDITOR);
        assertShut("nonsense");
        assertRefused(ErrorCode.TOO_MANY_ATTEMPTS, () -> platform.apiKeys.authenticate(second.text(), SOURCE));
        // The node remembers a key once it was let in, so its holder comes in from behind the same address as well.
        Waits.untilRemembered(platform.database, () -> platform.apiKeys.authenticate(second.text(), "192.0.2.8"));
        assertThat(platform.apiKeys.authenticate(second.text(), SOURCE).keyId())
                .isEqualTo(second.key().keyId());
        clock.advance(Duration.ofMinutes(1));
        assertThat(platform.apiKeys.authenticate(first.text(), SOURCE)).isEqualTo(owner);
    }

    @Test
    void guessingAKeyFromManySourcesIsToldToWaitAndDoesNotLockItsHolderOut() {
        String wrong = first.key().prefix() + "_" + "A".repeat(43);
        for (int i = 0; i < 9; i++) {
            String source = "192.0.2." + i;
            assertRefused(ErrorCode.UNAUTHENTICATED, () -> platform.apiKeys.authenticate(wrong, source));
        }
        assertRefused(ErrorCode.TOO_MANY_ATTEMPTS, () -> platform.apiKeys.authenticate(wrong, "192.0.2.99"));
        assertThat(platform.apiKeys.authenticate(first.text(), SOURCE)).isEqualTo(owner);
    }

    @Test
    void theLastUseIsKnownToTheMinute() {
        platform.apiKeys.authenticate(first.text(), SOURCE);
        platform.apiKeys.close();
        assertThat(lastUse()).isEqualTo(clock.instant());
    }

    private @Nullable Instant lastUse() {
        return platform.apiKeys.list(tenant, Page.Request.first()).items().stream()
                .filter(key -> key.keyId().equals(first.key().keyId()))
                .findFirst()
                .orElseThrow()
                .lastUsedAt();
    }

    @Test
    void listingPages() {
        for (int i = 0; i < 4; i++) {
            create(Role.AUDITOR);
        }
        Page<ApiKey> page = platform.apiKeys.list(tenant, new Page.Request(null, 3));
        assertThat(page.items()).hasSize(3);
        Page<ApiKey> rest = platform.apiKeys.list(tenant, Page.Request.of(page.next(), 3));
        assertThat(rest.items()).hasSize(2).doesNotContainAnyElementsOf(page.items());
        assertThat(rest.next()).isNull();
    }
}
