// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.DiagnosticNotation;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.Vectors;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements.Claim;
import dev.tegata.attestation.corim.Endorsements.Corroborated;
import dev.tegata.attestation.corim.Endorsements.Judged;
import dev.tegata.attestation.corim.Endorsements.Match;
import dev.tegata.attestation.corim.Endorsements.Source;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Matching (draft-ietf-rats-corim §9)")
class EndorsementsTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Environment LAMP = Environment.ofModel("Example", "Lamp");

    private static Measurement measurement(String values) {
        try {
            return Measurement.of(DiagnosticNotation.parse("{1: " + values + "}"));
        } catch (MalformedException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static Tag.Comid comid(String id, long version, Triple... triples) {
        return new Tag.Comid(null, new TagIdentity(Cbor.of(id), version), List.of(), List.of(), List.of(triples));
    }

    private static Tag.Comid replacing(String id, String other) {
        return new Tag.Comid(
                null,
                new TagIdentity(Cbor.of(id), 0),
                List.of(),
                List.of(new Tag.LinkedTag(Cbor.of(other), true)),
                List.of(new Triple.Reference(LAMP, List.of(measurement("{11: \"" + id + "\"}")))));
    }

    private static Source source(Tag... tags) {
        return source("maker", null, tags);
    }

    private static Source source(String signer, @Nullable Validity validity, Tag... tags) {
        Corim corim = new Corim(Cbor.of("corim-of-" + signer), List.of(tags), List.of(), null, validity, List.of());
        return new Source(corim, signer);
    }

    private static Judged judge(Endorsements endorsements, Measurement measurement) {
        return endorsements
                .match(List.of(new Claim(LAMP, measurement, List.of())))
                .judged()
                .getFirst();
    }

    private static boolean corroborated(Endorsements endorsements, String values) {
        return judge(endorsements, measurement(values)) instanceof Corroborated;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {1: 552(3)}                        | {1: 3}                      | true
        {1: 552(3)}                        | {1: 4}                      | false
        {1: 553(3)}                        | {1: 3}                      | true
        {1: 553(3)}                        | {1: 552(9)}                 | true
        {1: 553(3)}                        | {1: 2}                      | false
        {2: [[1, h'aa']]}                  | {2: [["sha-256", h'aa']]}   | true
        {2: [[1, h'aa']]}                  | {2: [[7, h'aa']]}           | false
        {2: [[1, h'aa'], [7, h'bb']]}      | {2: [[1, h'aa'], [7, h'bb']]} | true
        {2: [[1, h'aa'], [7, h'bb']]}      | {2: [[1, h'aa'], [7, h'cc']]} | false
        {2: [[1, h'aa'], [7, h'bb']]}      | {2: [[7, h'bb']]}           | true
        {2: [[1, h'aa']]}                  | {2: [[1, h'aa'], [1, h'bb']]} | false
        {4: 560(h'1234')}                  | {4: 560(h'1234')}           | true
        {4: 563([h'1200', h'ff00'])}       | {4: 560(h'12ff')}           | true
        {4: 563([h'1200', h'ff00'])}       | {4: 560(h'13ff')}           | false
        {4: 563([h'1200', h'ff00'])}       | {4: 560(h'12ffff')}         | false
        {4: 560(h'1200'), 5: h'ff00'}      | {4: 560(h'12ff')}           | true
        {3: {3: false}}                    | {3: {1: true, 3: false}}    | true
        {3: {3: false}}                    | {3: {3: true}}              | false
        {3: {3: false}}                    | {3: {1: true}}              | false
        {14: {0: [[1, h'aa']]}}            | {14: {0: [[1, h'aa']], 1: [[1, h'bb']]}} | true
        {14: {0: [[1, h'aa']], 1: [[1, h'cc']]}} | {14: {0: [[1, h'aa']], 1: [[1, h'bb']]}} | false
        {14: {2: [[1, h'aa']]}}            | {14: {0: [[1, h'aa']]}}     | false
        {15: 564([2, 5])}                  | {15: 4}                     | true
        {15: 564([2, null])}               | {15: 400}                   | true
        {15: 564([2, 5])}                  | {15: 6}                     | false
        {13: [560(h'aa')]}                 | {13: [560(h'bb'), 560(h'aa')]} | true
        {13: [560(h'aa')]}                 | {13: [560(h'bb')]}          | false
        {0: {0: "1.0", 1: 16384}}          | {0: {0: "1.0"}}             | true
        {0: {0: "1.0"}}                    | {0: {0: "1.1"}}             | false
        {11: "a", 1: 552(1)}               | {11: "a"}                   | false
        {100: "x"}                         | {100: "x"}                  | true
        """)
    @DisplayName("§9.4.6: each kind of value has its comparison")
    void values(String reference, String actual, boolean expected) {
        Endorsements endorsements = Endorsements.of(
                List.of(source(comid("a", 0, new Triple.Reference(LAMP, List.of(measurement(reference)))))), NOW);
        assertThat(corroborated(endorsements, actual)).isEqualTo(expected);
    }

    @Test
    @DisplayName("§5.1.4.1: what a condition leaves out of an environment may be anything")
    void environments() {
        Environment device = Environment.ofBytes(Bytes.ofHex("aa"), Bytes.ofHex("01aaaaaaaaaaaa"));
        assertThat(Environment.ofBytes(Bytes.ofHex("aa"), null).covers(device)).isTrue();
        assertThat(device.covers(Environment.ofBytes(Bytes.ofHex("aa"), null))).isFalse();
        assertThat(Environment.ofBytes(Bytes.ofHex("ab"), null).covers(device)).isFalse();
        assertThat(LAMP.covers(device)).isFalse();
    }

    @Test
    @DisplayName("a manifest outside of its validity, and a tag outside of its list's, say nothing")
    void validity() {
        Tag.Comid comid = comid("a", 3, new Triple.Reference(LAMP, List.of(measurement("{11: \"a\"}"))));
        Validity past = new Validity(null, NOW.minusSeconds(1));
        Validity present = new Validity(NOW.minusSeconds(1), NOW.plusSeconds(1));
        Endorsements expired = Endorsements.of(List.of(source("maker", past, comid)), NOW);
        assertThat(corroborated(expired, "{11: \"a\"}")).isFalse();
        assertThat(expired.problems()).singleElement().asString().contains("not valid now");

        Corim unlimited = source(comid).corim();
        Endorsements signatureOver = Endorsements.of(List.of(new Source(unlimited, "maker", null, past)), NOW);
        assertThat(corroborated(signatureOver, "{11: \"a\"}")).isFalse();

        Tag.Cotl on = new Tag.Cotl(new TagIdentity(Cbor.of("l"), 0), List.of(comid.identity()), present);
        assertThat(corroborated(Endorsements.of(List.of(source(comid, on)), NOW), "{11: \"a\"}"))
                .isTrue();
        Tag.Cotl over = new Tag.Cotl(new TagIdentity(Cbor.of("l"), 0), List.of(comid.identity()), past);
        assertThat(corroborated(Endorsements.of(List.of(source(comid, over)), NOW), "{11: \"a\"}"))
                .isFalse();
        Tag.Cotl otherVersion =
                new Tag.Cotl(new TagIdentity(Cbor.of("l"), 0), List.of(new TagIdentity(Cbor.of("a"), 2)), present);
        assertThat(corroborated(Endorsements.of(List.of(source(comid, otherVersion)), NOW), "{11: \"a\"}"))
                .isFalse();
    }

    @Test
    @DisplayName("the latest version of a tag counts; two contents of one version do not")
    void versions() {
        Tag.Comid first = comid("a", 1, new Triple.Reference(LAMP, List.of(measurement("{11: \"one\"}"))));
        Tag.Comid second = comid("a", 2, new Triple.Reference(LAMP, List.of(measurement("{11: \"two\"}"))));
        Tag.Comid conflict = comid("a", 2, new Triple.Reference(LAMP, List.of(measurement("{11: \"three\"}"))));
        Endorsements latest = Endorsements.of(List.of(source(second), source(first), source(second)), NOW);
        assertThat(corroborated(latest, "{11: \"two\"}")).isTrue();
        assertThat(corroborated(latest, "{11: \"one\"}")).isFalse();
        Endorsements conflicting = Endorsements.of(List.of(source(second), source(conflict)), NOW);
        assertThat(corroborated(conflicting, "{11: \"two\"}")).isFalse();
        assertThat(conflicting.problems()).singleElement().asString().contains("two different contents");
    }

    @Test
    @DisplayName("a tag replaces another of its signer; tags that replace each other both fall silent")
    void replaces() {
        Endorsements replaced = Endorsements.of(List.of(source(replacing("b", "a"), replacing("a", "z"))), NOW);
        assertThat(corroborated(replaced, "{11: \"b\"}")).isTrue();
        assertThat(corroborated(replaced, "{11: \"a\"}")).isFalse();
        Endorsements circle = Endorsements.of(List.of(source(replacing("b", "a"), replacing("a", "b"))), NOW);
        assertThat(corroborated(circle, "{11: \"a\"}")).isFalse();
        assertThat(corroborated(circle, "{11: \"b\"}")).isFalse();
        assertThat(circle.problems()).isNotEmpty();
        Endorsements foreign = Endorsements.of(
                List.of(source("maker", null, replacing("a", "z")), source("other", null, replacing("b", "a"))), NOW);
        assertThat(corroborated(foreign, "{11: \"a\"}")).isTrue();
        assertThat(foreign.problems()).singleElement().asString().contains("may not replace");
    }

    @Test
    @DisplayName("§5.1.8: endorsed values follow from evidence and from each other, until nothing changes")
    void fixpoint() {
        Triple.Conditional second = new Triple.Conditional(
                List.of(new Triple.State(LAMP, List.of(measurement("{11: \"certified\"}")))),
                List.of(new Triple.Endorsed(LAMP, List.of(measurement("{100: \"cert-1\"}")))));
        Triple.Conditional first = new Triple.Conditional(
                List.of(new Triple.State(LAMP, List.of(measurement("{2: [[1, h'aa']]}")))),
                List.of(new Triple.Endorsed(LAMP, List.of(measurement("{11: \"certified\"}")))));
        Triple.Series series = new Triple.Series(
                new Triple.State(LAMP, List.of()),
                List.of(
                        new Triple.Case(List.of(measurement("{1: 1}")), List.of(measurement("{0: {0: \"1.0\"}}"))),
                        new Triple.Case(List.of(measurement("{1: 2}")), List.of(measurement("{0: {0: \"2.0\"}}")))));
        Endorsements endorsements = Endorsements.of(List.of(source(comid("a", 0, second, first, series))), NOW);
        Match match = endorsements.match(List.of(
                new Claim(LAMP, measurement("{2: [[1, h'aa']]}"), List.of()),
                new Claim(LAMP, measurement("{1: 2}"), List.of())));
        assertThat(match.endorsed())
                .extracting(statement -> statement.measurement().values())
                .containsExactlyInAnyOrder(
                        measurement("{11: \"certified\"}").values(),
                        measurement("{100: \"cert-1\"}").values(),
                        measurement("{0: {0: \"2.0\"}}").values());
        assertThat(endorsements
                        .match(List.of(new Claim(LAMP, measurement("{2: [[1, h'ab']]}"), List.of())))
                        .endorsed())
                .isEmpty();
    }

    @Test
    @DisplayName("§5.1.4.5: a condition on who said so holds for the keys it names only")
    void authorities() throws MalformedException {
        PublicKeyInfo key = TestKeys.signer("secp256r1").publicKey();
        Measurement reference = new Measurement(null, measurement("{1: 552(1)}").values(), List.of(CryptoKeys.of(key)));
        Endorsements endorsements =
                Endorsements.of(List.of(source(comid("a", 0, new Triple.Reference(LAMP, List.of(reference))))), NOW);
        assertThat(judge(endorsements, measurement("{1: 1}"))).isNotInstanceOf(Corroborated.class);
        assertThat(endorsements
                        .match(List.of(new Claim(LAMP, measurement("{1: 1}"), List.of(key.fingerprint()))))
                        .judged()
                        .getFirst())
                .isInstanceOf(Corroborated.class);
    }

    @Test
    @DisplayName("the certification triple of the PSA endorsements adds its number to the component that it names")
    void certification() throws MalformedException {
        Tag.Comid comid = Tag.Comid.of(Vectors.diagnostic("corim/draft-ietf/comid-psa-endval.diag"));
        Endorsements endorsements = Endorsements.of(List.of(source(comid)), NOW);
        Triple.Conditional triple = (Triple.Conditional) comid.triples().getFirst();
        Triple.State state = triple.conditions().getFirst();
        Match match = endorsements.match(
                List.of(new Claim(state.environment(), state.measurements().getFirst(), List.of())));
        assertThat(match.endorsed())
                .singleElement()
                .satisfies(statement -> assertThat(
                                statement.measurement().values().get(Measurement.PSA_CERTIFICATE_NUMBER))
                        .isEqualTo(Cbor.of("1234567890123 - 12345")));
    }

    @Test
    @DisplayName("a key that is endorsed for two devices speaks for neither")
    void sharedKey() {
        PublicKeyInfo key = TestKeys.signer("secp256r1").publicKey();
        Triple.Keys first = new Triple.Keys(true, LAMP, List.of(CryptoKeys.of(key)), null, List.of());
        Triple.Keys second = new Triple.Keys(
                true, Environment.ofModel("Example", "Lock"), List.of(CryptoKeys.of(key)), null, List.of());
        assertThat(Endorsements.of(List.of(source(comid("a", 0, first))), NOW).attestationKey(key.fingerprint()))
                .isPresent();
        Endorsements shared = Endorsements.of(List.of(source(comid("a", 0, first, second))), NOW);
        assertThat(shared.attestationKey(key.fingerprint())).isEmpty();
        assertThat(shared.problems()).singleElement().asString().contains("two devices");
    }
}
