// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.util.List;

/// Whom an import believes: the built-in signers and roots, and those of the tenant.
record Trust(List<Signer> signers, List<BirthChains.Anchor> anchors) {
    static final Trust BUILT_IN = new Trust(Signer.BUILT_IN, BirthChains.BUILT_IN);

    Trust {
        signers = List.copyOf(signers);
        anchors = List.copyOf(anchors);
    }
}
