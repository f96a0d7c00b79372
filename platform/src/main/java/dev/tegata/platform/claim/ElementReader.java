// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

/// Looks into elements: reads them, and checks everything that can be checked without knowing other devices.
///
/// Safe for use by many threads; it is they who make an import fast.
final class ElementReader {
    private final SignedElements signed;
    private final ListedElements listed;

    ElementReader(Trust trust, ImportOptions options) {
        BirthChains chains = new BirthChains(trust.anchors());
        this.signed = new SignedElements(trust.signers(), chains);
        this.listed = new ListedElements(chains, options.statement());
    }

    Element read(long position, RawElement raw) {
        try {
            return switch (raw) {
                case RawElement.Jws jws -> new Element.Parsed(position, signed.read(jws.json()));
                case RawElement.Listed list -> new Element.Parsed(position, listed.read(list));
                case RawElement.Unreadable(IssueReason reason, String detail) ->
                    new Element.Rejected(position, null, reason, detail);
            };
        } catch (RejectedException e) {
            return new Element.Rejected(position, e.serial(), e.reason(), e.detail());
        }
    }
}
