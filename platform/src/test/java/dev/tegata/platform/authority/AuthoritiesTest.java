// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.tenant.AuthorityLayout;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Authorities")
final class AuthoritiesTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final Actor ACTOR = Actor.apiKey("0000test");
    private static final TenantSubject SUBJECT = new TenantSubject("Example S.p.A.", "IT", null, null, null);

    private static TestPlatform platform;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        platform = TestPlatform.software(DATABASE.database(), InstantSource.system());
    }

    @AfterAll
    static void close() {
        platform.close();
    }

    private static void assertRefused(ErrorCode code, String detail, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(RefusedException.class, e -> {
            assertThat(e.detail()).contains(detail);
            assertThat(e.code()).isEqualTo(code);
        });
    }

    private static NewAuthority wanted(String commonName) {
        return new NewAuthority("Another CA", Name.parse("CN=" + commonName + ",O=Example,C=IT"), KeyAlgorithm.EC_P384);
    }

    private static Bytes bytes(String text) {
        return Bytes.of(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void oneMoreUnderTheRoot() throws Exception {
        CreatedTenant created = platform.tenant();
        TenantId tenant = created.tenant().id();
        Authority root = created.authorities().getFirst();
        Authority made = platform.authorities.createIssuing(tenant, ACTOR, root.id(), wanted("Line 2"));
        assertThat(made.kind()).isEqualTo(Kind.ISSUING);
        assertThat(made.algorithm()).isEqualTo(KeyAlgorithm.EC_P384);
        assertThat(platform.authorities.get(tenant, made.id())).isEqualTo(made);
        assertThat(platform.authorities.chain(tenant, made.id()))
                .containsExactly(made.requireCertificate(), root.requireCertificate());
        verifyWithOpenssl(root.requireCertificate(), made.requireCertificate());

        IssuingAuthority issuing = platform.authorities.issuing(tenant, made.id());
        byte[] data = {1, 2, 3};
        byte[] signature = issuing.signer(platform.vault).sign(data);
        assertThat(made.requireCertificate()
                        .publicKey()
                        .verifies(issuing.algorithm().signatureAlgorithm(), data, signature))
                .isTrue();
    }

    @Test
    void noneUnderAnAuthorityForDevices() {
        CreatedTenant created = platform.tenant();
        AuthorityId issuing = created.authorities().getLast().id();
        assertRefused(
                ErrorCode.CONFLICT,
                "pathLength",
                () -> platform.authorities.createIssuing(created.tenant().id(), ACTOR, issuing, wanted("Too deep")));
    }

    private void verifyWithOpenssl(Certificate root, Certificate other) throws Exception {
        write("roots.pem", root.pem());
        write("other.pem", other.pem());
        openssl("verify -x509_strict -CAfile roots.pem other.pem");
    }

    private CreatedTenant ownRoot() {
        return platform.tenants.create(
                ACTOR, new NewTenant("Own root", SUBJECT, AuthorityLayout.OWN_ROOT, KeyAlgorithm.EC_P256));
    }

    /// Signs the request of the tenant's pending authority the way a customer would.
    private String sign(CreatedTenant created, String extensions, String days) throws Exception {
        TenantId tenant = created.tenant().id();
        AuthorityId id = created.authorities().getFirst().id();
        write("request.pem", platform.authorities.request(tenant, id).pem());
        write("extensions", extensions);
        openssl(("x509 -req -in request.pem -CA root.pem -CAkey root.key -days %s -set_serial 77 -extfile "
                        + "extensions -out issued.pem")
                .formatted(days));
        return Files.readString(folder.resolve("issued.pem"));
    }

    private String makeRoot() throws Exception {
        openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout root.key -out "
                + "root.pem -subj /C=IT/O=Example/CN=Offline-Root -days 3650 -addext "
                + "keyUsage=critical,keyCertSign,cRLSign");
        return Files.readString(folder.resolve("root.pem"));
    }

    private static final String CA_EXTENSIONS = """
            basicConstraints=critical,CA:TRUE,pathlen:0
            keyUsage=critical,keyCertSign,cRLSign,digitalSignature
            subjectKeyIdentifier=hash
            authorityKeyIdentifier=keyid
            """;

    @Test
    void anOwnRootSignsWithOpenssl() throws Exception {
        String root = makeRoot();
        CreatedTenant created = ownRoot();
        TenantId tenant = created.tenant().id();
        AuthorityId id = created.authorities().getFirst().id();
        assertRefused(ErrorCode.AUTHORITY_NOT_READY, "PENDING", () -> platform.authorities.issuing(tenant, id));
        assertRefused(ErrorCode.AUTHORITY_NOT_READY, "waits", () -> platform.authorities.chain(tenant, id));

        String issued = sign(created, CA_EXTENSIONS, "365");
        // In whatever order, with text around it.
        Authority active = platform.authorities.uploadCertificate(
                tenant, ACTOR, id, bytes("Our root:\n" + root + "\nand the new one:\n" + issued));
        assertThat(active.state()).isEqualTo(State.ACTIVE);
        assertThat(platform.authorities.chain(tenant, id))
                .containsExactlyElementsOf(Certificate.parsePem(issued + root));
        assertThat(platform.authorities.issuing(tenant, id).chain()).hasSize(2);
        assertRefused(
                ErrorCode.CONFLICT,
                "already",
                () -> platform.authorities.uploadCertificate(tenant, ACTOR, id, bytes(issued + root)));
        assertRefused(ErrorCode.CONFLICT, "does not wait", () -> platform.authorities.request(tenant, id));
        assertThat(platform.audit
                        .recordsAbout(tenant, "authority:" + id, Page.Request.first())
                        .items())
                .extracting(record -> record.action())
                .containsExactly("authority.certified", "authority.requested");
    }

    @Test
    void theChainMayComeAsCms() throws Exception {
        String root = makeRoot();
        CreatedTenant created = ownRoot();
        String issued = sign(created, CA_EXTENSIONS, "365");
        Bytes cms = CertsOnlyCms.encode(Certificate.parsePem(root + issued));
        assertThat(platform.authorities
                        .uploadCertificate(
                                created.tenant().id(),
                                ACTOR,
                                created.authorities().getFirst().id(),
                                cms)
                        .state())
                .isEqualTo(State.ACTIVE);
    }

    @Test
    void whatDoesNotFitIsRefusedAndChangesNothing() throws Exception {
        String root = makeRoot();
        CreatedTenant created = ownRoot();
        TenantId tenant = created.tenant().id();
        AuthorityId id = created.authorities().getFirst().id();
        String issued = sign(created, CA_EXTENSIONS, "365");
        String leaf = sign(created, "basicConstraints=critical,CA:FALSE\n", "365");
        String noSign = sign(created, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n", "365");
        String other = sign(ownRoot(), CA_EXTENSIONS, "365");
        Files.move(folder.resolve("root.pem"), folder.resolve("first-root.pem"));
        String impostor = makeRoot();

        assertUploadRefused(tenant, id, "cannot be read", "nothing");
        assertUploadRefused(
                tenant, id, "cannot be read", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
        assertUploadRefused(
                tenant, id, "comes with a private key", issued + root + Files.readString(folder.resolve("root.key")));
        assertUploadRefused(tenant, id, "whole chain", issued);
        assertUploadRefused(tenant, id, "not for the key", root);
        assertUploadRefused(tenant, id, "not for the key", other + root);
        assertUploadRefused(tenant, id, "CA:TRUE", leaf + root);
        assertUploadRefused(tenant, id, "keyCertSign", noSign + root);
        assertUploadRefused(tenant, id, "not signed by the key", issued + impostor);
        assertUploadRefused(tenant, id, "not part of its chain", issued + root + other);
        assertThat(platform.authorities.get(tenant, id))
                .isEqualTo(created.authorities().getFirst());
    }

    private static void assertUploadRefused(TenantId tenant, AuthorityId id, String detail, String certificates) {
        assertRefused(
                ErrorCode.INVALID_FIELD,
                detail,
                () -> platform.authorities.uploadCertificate(tenant, ACTOR, id, bytes(certificates)));
    }

    @Test
    @DisplayName("RFC 5280 §4.2.1.9: path length, and §4.1.2.5: validity of each certificate above")
    void theWholeChainIsChecked() throws Exception {
        openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out "
                + "root.pem -subj /CN=Narrow -days 10 -addext basicConstraints=critical,CA:TRUE,pathlen:0");
        CreatedTenant created = ownRoot();
        TenantId tenant = created.tenant().id();
        AuthorityId id = created.authorities().getFirst().id();
        String narrow = sign(created, CA_EXTENSIONS, "365") + Files.readString(folder.resolve("root.pem"));
        assertUploadRefused(tenant, id, "allows 0 authorities below it", narrow);

        String root = makeRoot();
        String expired = sign(created, CA_EXTENSIONS, "-1");
        assertUploadRefused(tenant, id, "not now", expired + root);
    }

    @Test
    void aSelfSignedOneIsNotFromTheRoot() throws Exception {
        CreatedTenant created = ownRoot();
        TenantId tenant = created.tenant().id();
        String imported = makeRoot();
        Authority root = platform.authorities.importAuthority(
                tenant, ACTOR, "Root", bytes(imported), Files.readAllBytes(folder.resolve(pkcs8("root.key"))));
        assertThat(root.kind()).isEqualTo(Kind.ROOT);
        assertRefused(
                ErrorCode.CONFLICT,
                "already",
                () -> platform.authorities.uploadCertificate(tenant, ACTOR, root.id(), bytes(imported)));
    }

    private String pkcs8(String key) throws Exception {
        openssl("pkcs8 -topk8 -nocrypt -in %s -outform DER -out %s.der".formatted(key, key));
        return key + ".der";
    }

    @Test
    void aRootWithItsKeyIsTakenInAndIssues() throws Exception {
        String pem = makeRoot();
        TenantId tenant = platform.tenant().tenant().id();
        byte[] pkcs8 = Files.readAllBytes(folder.resolve(pkcs8("root.key")));
        Authority root = platform.authorities.importAuthority(tenant, ACTOR, "Old root", bytes(pem), pkcs8);
        assertThat(pkcs8).containsOnly(0);
        assertThat(root.algorithm()).isEqualTo(KeyAlgorithm.EC_P384);
        assertThat(root.isForAuthorities()).isFalse();
        Authority below = platform.authorities.createIssuing(tenant, ACTOR, root.id(), wanted("Below the old root"));
        verifyWithOpenssl(root.requireCertificate(), below.requireCertificate());
    }

    @Test
    void ofManyImportsAtTheSameMomentOneIsTakenIn() throws Exception {
        Bytes pem = bytes(makeRoot());
        TenantId tenant = platform.tenant().tenant().id();
        byte[] pkcs8 = Files.readAllBytes(folder.resolve(pkcs8("root.key")));
        int keys = keys(tenant);
        CountDownLatch start = new CountDownLatch(1);
        List<Future<Authority>> imports = new ArrayList<>();
        int taken = 0;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 8; i++) {
                imports.add(threads.submit(() -> {
                    start.await();
                    return platform.authorities.importAuthority(tenant, ACTOR, "Root", pem, pkcs8.clone());
                }));
            }
            start.countDown();
            for (Future<Authority> each : imports) {
                try {
                    each.get();
                    taken++;
                } catch (ExecutionException e) {
                    assertThat(e).hasCauseInstanceOf(RefusedException.class).hasMessageContaining("already");
                }
            }
        }
        assertThat(taken).isOne();
        assertThat(keys(tenant)).as("keys of the others are destroyed").isEqualTo(keys + 1);
    }

    @Test
    void anIssuingOneIsTakenInWithItsChain() throws Exception {
        String root = makeRoot();
        openssl("req -new -newkey rsa:2048 -nodes -keyout sub.key -out sub.csr -subj /CN=Sub");
        write("extensions", CA_EXTENSIONS);
        openssl("x509 -req -in sub.csr -CA root.pem -CAkey root.key -days 365 -extfile extensions -out "
                + "sub.pem -set_serial 1");
        String sub = Files.readString(folder.resolve("sub.pem"));
        TenantId tenant = platform.tenant().tenant().id();
        byte[] pkcs8 = Files.readAllBytes(folder.resolve(pkcs8("sub.key")));
        Authority imported =
                platform.authorities.importAuthority(tenant, ACTOR, "Sub", bytes(root + sub), pkcs8.clone());
        assertThat(imported.kind()).isEqualTo(Kind.ISSUING);
        assertThat(imported.algorithm()).isEqualTo(KeyAlgorithm.RSA_2048);
        assertThat(platform.authorities.chain(tenant, imported.id())).hasSize(2);

        int keys = keys(tenant);
        byte[] wrongKey = Files.readAllBytes(folder.resolve(pkcs8("root.key")));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "whole chain",
                () -> platform.authorities.importAuthority(tenant, ACTOR, "Sub", bytes(sub), pkcs8.clone()));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "not for the key",
                () -> platform.authorities.importAuthority(tenant, ACTOR, "Sub", bytes(sub), wrongKey));
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "privateKey",
                () -> platform.authorities.importAuthority(tenant, ACTOR, "Sub", bytes(sub + root), new byte[] {1, 2}));
        assertRefused(
                ErrorCode.CONFLICT,
                "already: " + imported.id(),
                () -> platform.authorities.importAuthority(tenant, ACTOR, "Again", bytes(root + sub), pkcs8.clone()));
        assertThat(keys(tenant)).as("keys of refused imports are destroyed").isEqualTo(keys);
    }

    @Test
    @DisplayName("RFC 5280 §4.1.2.6: an authority has a name")
    void oneWithoutANameIsRefused() throws Exception {
        openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout nameless.key -out nameless.pem "
                + "-subj / -days 10 -addext basicConstraints=critical,CA:TRUE");
        byte[] pkcs8 = Files.readAllBytes(folder.resolve(pkcs8("nameless.key")));
        Bytes certificate = bytes(Files.readString(folder.resolve("nameless.pem")));
        TenantId tenant = platform.tenant().tenant().id();
        assertRefused(
                ErrorCode.INVALID_FIELD,
                "empty subject",
                () -> platform.authorities.importAuthority(tenant, ACTOR, "Nameless", certificate, pkcs8));
    }

    private static int keys(TenantId tenant) {
        return DATABASE.database()
                .inTenant(
                        tenant,
                        tx -> tx.createQuery("SELECT count(*) FROM sealed_key")
                                .mapTo(Integer.class)
                                .one());
    }

    @Test
    void nothingButARefusalComesOfBadCertificates() throws Exception {
        byte[] good = (makeRoot() + sign(ownRoot(), CA_EXTENSIONS, "365")).getBytes(StandardCharsets.UTF_8);
        Bytes der = Pem.contents(new String(good, StandardCharsets.UTF_8), Pem.CERTIFICATE)
                .getFirst();
        Bytes key = Certificate.parse(der).publicKeyEncoded();
        SplittableRandom random = new SplittableRandom(11);
        for (int i = 0; i < 2000; i++) {
            byte[] changed = i % 2 == 0 ? good.clone() : der.toArray();
            for (int flips = random.nextInt(4) + 1; flips > 0; flips--) {
                changed[random.nextInt(changed.length)] = (byte) random.nextInt(256);
            }
            try {
                CertificateChain.of(
                        key,
                        CertificateChain.read(Bytes.of(changed)),
                        InstantSource.system().instant());
            } catch (RefusedException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.INVALID_FIELD);
            }
        }
    }

    @Test
    void anotherTenantFindsNothing() throws Exception {
        CreatedTenant mine = ownRoot();
        AuthorityId id = mine.authorities().getFirst().id();
        TenantId other = platform.tenant().tenant().id();
        TenantId nobody = new TenantId("tzzzzzzzzz");
        String root = makeRoot();
        byte[] pkcs8 = Files.readAllBytes(folder.resolve(pkcs8("root.key")));
        for (TenantId stranger : List.of(other, nobody)) {
            assertNotFound(() -> platform.authorities.get(stranger, id));
            assertNotFound(() -> platform.authorities.chain(stranger, id));
            assertNotFound(() -> platform.authorities.request(stranger, id));
            assertNotFound(() -> platform.authorities.issuing(stranger, id));
            assertNotFound(() -> platform.authorities.createIssuing(stranger, ACTOR, id, wanted("X")));
            assertNotFound(() -> platform.authorities.uploadCertificate(stranger, ACTOR, id, bytes(root)));
        }
        assertNotFound(() -> platform.authorities.createPending(nobody, ACTOR, wanted("X")));
        assertNotFound(() -> platform.authorities.importAuthority(nobody, ACTOR, "X", bytes(root), pkcs8));
        assertThat(platform.authorities.list(other, Page.Request.first()).items())
                .extracting(Authority::id)
                .doesNotContain(id);
        assertThat(platform.authorities.list(nobody, Page.Request.first()).items())
                .isEmpty();
    }

    private static void assertNotFound(ThrowingCallable call) {
        assertRefused(ErrorCode.NOT_FOUND, "there is no", call);
    }

    private Path write(String name, String content) throws Exception {
        return Files.writeString(folder.resolve(name), content);
    }

    private void openssl(String arguments) throws Exception {
        Process process = new ProcessBuilder(("openssl " + arguments).split(" "))
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(arguments + "\n" + output).isZero();
    }
}
