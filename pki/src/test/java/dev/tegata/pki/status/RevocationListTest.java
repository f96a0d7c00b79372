// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.EncodingException;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Revocation lists of others (RFC 5280 §5)")
class RevocationListTest {
    /// Made with `openssl ca -gencrl`, by a CA on P-256, with one entry that tells a reason.
    private static final Bytes LIST =
            Bytes.ofHex("308201063081ad020101300a06082a8648ce3d04030230163114301206035504030c0b49414b2069737375696e"
                    + "67170d3236313132323034323930305a170d3236313232323034323930305a30353033021467169e20307eb155"
                    + "dd03ab884d0178b986218c6b170d3236313132323034323930305a300c300a0603551d1504030a0101a02f302d"
                    + "301f0603551d2304183016801468ab2dc6b691856820a2b2873aec5f7cf7be860b300a0603551d140403020101"
                    + "300a06082a8648ce3d0403020348003045022100e76b05419af66edc9a286ea22f03540e5f637de566c8ec241d"
                    + "419348ffaa1f1802204fda201500814df8a95f50d6f0fe2969f1b74404c5b73e60b8bec0969af83ab4");
    /// The same CA's list with `-crlexts`, which says that it is a delta list.
    private static final Bytes DELTA =
            Bytes.ofHex("3081f430819b020101300a06082a8648ce3d04030230163114301206035504030c0b49414b2069737375696e67"
                    + "170d3236313132323034323930305a170d3236313232323034323930305a30353033021467169e20307eb155dd"
                    + "03ab884d0178b986218c6b170d3236313132323034323930305a300c300a0603551d1504030a0101a01d301b30"
                    + "0d0603551d1b0101ff0403020101300a0603551d140403020102300a06082a8648ce3d04030203480030450221"
                    + "00d5c4190fc592692b9bef5a64e46463bd566511d7cae147b4f5684ffe17b74cf602207487a8cce7572b644540"
                    + "0bfd4ce54887d7dd0a1a13e70f7a1b99cfb3393edcdc");
    private static final Bytes INDIRECT =
            Bytes.ofHex("3081f630819d020101300a06082a8648ce3d04030230163114301206035504030c0b49414b2069737375696e67"
                    + "170d3236313132323034323930305a170d3236313232323034323930305a30353033021467169e20307eb155dd"
                    + "03ab884d0178b986218c6b170d3236313132323034323930305a300c300a0603551d1504030a0101a01f301d30"
                    + "0f0603551d1c0101ff040530038401ff300a0603551d140403020103300a06082a8648ce3d0403020348003045"
                    + "022100bd924fa253a8963465026b7ac490ef378e98c26712640d37f56e7b2d8bf3f1b502205364281478ee90cf"
                    + "56a85033ff654260d4f766930270f9b0c48b2b48cdc09ae4");
    private static final Bytes USERS =
            Bytes.ofHex("3081f530819d020101300a06082a8648ce3d04030230163114301206035504030c0b49414b2069737375696e67"
                    + "170d3236313132323034323930305a170d3236313232323034323930305a30353033021467169e20307eb155dd"
                    + "03ab884d0178b986218c6b170d3236313132323034323930305a300c300a0603551d1504030a0101a01f301d30"
                    + "0f0603551d1c0101ff040530038101ff300a0603551d140403020104300a06082a8648ce3d0403020347003044"
                    + "02206d4ac80f657bc8800887e293ddde4a0ccb07f138f3ddd13791e4a03149ecb15602205207ed690bf60a8ad2"
                    + "b35370e92847f4f65b8808bbd007bc55d63a54ca4e771e");

    @Test
    @DisplayName("a list of openssl's is read")
    void read() throws Exception {
        RevocationList list = RevocationList.parse(LIST);
        assertThat(list.issuer().commonName()).contains("IAK issuing");
        assertThat(list.entries()).hasSize(1);
        assertThat(list.number()).isNotNull();
        assertThat(list.nextUpdate()).isAfter(list.thisUpdate());
        assertThat(list.scope()).isNull();
        assertThat(RevocationList.parse(USERS).scope()).isEqualTo(new CrlScope.UserCertificates());
    }

    @Test
    @DisplayName("delta and indirect lists are refused: they do not say what is not revoked")
    void partial() {
        for (Bytes list : new Bytes[] {DELTA, INDIRECT}) {
            assertThatThrownBy(() -> RevocationList.parse(list))
                    .isInstanceOf(EncodingException.class)
                    .hasMessageContaining("not supported");
        }
    }

    @Test
    @DisplayName("changed, cut and longer ones are read or refused, nothing else")
    void fuzz() {
        Random random = new Random(7);
        for (int round = 0; round < 20_000; round++) {
            byte[] input = (round % 2 == 0 ? LIST : USERS).toArray();
            for (int edit = random.nextInt(4); edit >= 0; edit--) {
                input[random.nextInt(input.length)] = (byte) random.nextInt(256);
            }
            Bytes changed = Bytes.of(input);
            try {
                RevocationList.parse(round % 5 == 0 ? changed.slice(0, random.nextInt(input.length)) : changed);
            } catch (EncodingException _) {
                // The documented outcome.
            }
        }
        assertThatThrownBy(() -> RevocationList.parse(LIST.concat(Bytes.ofHex("00"))))
                .isInstanceOf(EncodingException.class);
    }
}
