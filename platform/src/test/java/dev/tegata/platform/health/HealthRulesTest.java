// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.health.HealthRules.AuthorityRecord;
import dev.tegata.platform.health.HealthRules.DeviceRecord;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("The rules of chain health")
final class HealthRulesTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Instant LATER = NOW.plus(Duration.ofDays(3000));
    private static final HealthRules RULES = new HealthRules(AlgorithmPolicy.standard());

    private static AuthorityRecord authority(
            String algorithm,
            Instant made,
            Instant end,
            @Nullable Instant issuerEnd,
            boolean fits,
            boolean shared,
            @Nullable Instant crl,
            @Nullable Instant responder) {
        return new AuthorityRecord(algorithm, made, end, issuerEnd, fits, shared, crl, responder, null);
    }

    private static DeviceRecord device(
            String algorithm,
            Instant end,
            Instant issuerEnd,
            boolean status,
            @Nullable Boolean holds,
            @Nullable Boolean trusts,
            boolean shared) {
        return new DeviceRecord(
                algorithm, NOW.minus(Duration.ofDays(100)), end, issuerEnd, status, holds, trusts, shared);
    }

    @Test
    @DisplayName("find nothing wrong with what is right")
    void good() {
        assertThat(RULES.of(authority("ec-p384", NOW, LATER, LATER, true, false, LATER, LATER), NOW))
                .isEmpty();
        assertThat(RULES.of(device("ec-p256", LATER, LATER, true, true, true, false), NOW))
                .isEmpty();
    }

    static Stream<Arguments> authorities() {
        Instant past = NOW.minusSeconds(1);
        Instant soon = NOW.plus(Duration.ofDays(300));
        Instant old = NOW.minus(Duration.ofDays(4000));
        Instant far = Instant.parse("2050-01-01T00:00:00Z");
        return Stream.of(
                Arguments.of(
                        FindingCode.AUTHORITY_EXPIRED, authority("ec-p384", NOW, NOW, LATER, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_ENDS_SOON,
                        authority("ec-p384", NOW, soon, LATER, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_ALGORITHM,
                        authority("ec-p384", NOW, far, null, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_ALGORITHM,
                        authority("rsa-2048", NOW, LATER, null, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_KEY_OLD,
                        authority("ec-p384", old, LATER, null, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_OUTLIVES_ISSUER,
                        authority("ec-p384", NOW, LATER, soon, true, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_PATH_LENGTH,
                        authority("ec-p384", NOW, LATER, LATER, false, false, LATER, null)),
                Arguments.of(
                        FindingCode.AUTHORITY_NAME_SHARED,
                        authority("ec-p384", NOW, LATER, LATER, true, true, LATER, null)),
                Arguments.of(FindingCode.CRL_MISSING, authority("ec-p384", NOW, LATER, LATER, true, false, null, null)),
                Arguments.of(FindingCode.CRL_STALE, authority("ec-p384", NOW, LATER, LATER, true, false, past, null)),
                Arguments.of(
                        FindingCode.RESPONDER_STALE,
                        authority("ec-p384", NOW, LATER, LATER, true, false, LATER, past)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("authorities")
    void ofAuthorities(FindingCode code, AuthorityRecord authority) {
        assertThat(RULES.of(authority, NOW))
                .extracting(HealthRules.Problem::code)
                .isEqualTo(List.of(code));
    }

    static Stream<Arguments> devices() {
        Instant soon = NOW.plus(Duration.ofDays(5));
        return Stream.of(
                Arguments.of(FindingCode.CERTIFICATE_EXPIRED, device("ec-p256", NOW, LATER, true, null, null, false)),
                Arguments.of(
                        FindingCode.CERTIFICATE_ENDS_SOON, device("ec-p256", soon, LATER, true, null, null, false)),
                Arguments.of(
                        FindingCode.CERTIFICATE_ALGORITHM, device("rsa-2048", LATER, LATER, true, null, null, false)),
                Arguments.of(
                        FindingCode.CERTIFICATE_OUTLIVES_ISSUER,
                        device("ec-p256", LATER, soon, true, null, null, false)),
                Arguments.of(
                        FindingCode.CERTIFICATE_WITHOUT_STATUS,
                        device("ec-p256", LATER, LATER, false, null, null, false)),
                Arguments.of(
                        FindingCode.CERTIFICATE_NOT_HELD, device("ec-p256", LATER, LATER, true, false, true, false)),
                Arguments.of(FindingCode.ROOT_NOT_TRUSTED, device("ec-p256", LATER, LATER, true, true, false, false)),
                Arguments.of(FindingCode.KEY_SHARED, device("ec-p256", LATER, LATER, true, null, null, true)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("devices")
    void ofDevices(FindingCode code, DeviceRecord device) {
        assertThat(RULES.of(device, NOW)).extracting(HealthRules.Problem::code).isEqualTo(List.of(code));
    }

    @Test
    @DisplayName("tell of addresses of status that do not answer")
    void unreachable() {
        AuthorityRecord unreachable =
                new AuthorityRecord("ec-p384", NOW, LATER, LATER, true, false, LATER, LATER, "http://a.test/x: none");
        assertThat(RULES.of(unreachable, NOW))
                .containsExactly(new HealthRules.Problem(FindingCode.STATUS_UNREACHABLE, "http://a.test/x: none"));
    }

    @ParameterizedTest(name = "{0}")
    @org.junit.jupiter.params.provider.EnumSource(
            mode = org.junit.jupiter.params.provider.EnumSource.Mode.EXCLUDE,
            names = "VAULT_FAILING")
    @DisplayName("have one request each that mends what they find, but for those of the vault")
    void fixes(FindingCode code) {
        FindingCode.Call fix = Objects.requireNonNull(code.fix("018f0000-0000-7000-8000-000000000001"));
        assertThat(fix.method()).isEqualTo("POST");
        assertThat(fix.path()).startsWith("/api/v1/");
        assertThat(fix.path() + fix.body()).contains("018f0000-0000-7000-8000-000000000001");
    }
}
