// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.Texts;
import org.jspecify.annotations.Nullable;

/// Names inside archives.
final class EntryNames {
    private EntryNames() {}

    /// Refuses an archive that has a name which points outside of it. Nothing is ever written under such a name here;
    /// but who puts one in means harm, and the rest of the file is no better.
    static void check(@Nullable String name) throws BrokenManifestException {
        if (name == null || name.isEmpty() || name.length() > 1024) {
            throw new BrokenManifestException("the archive has an entry without a proper name");
        }
        String path = name.replace('\\', '/');
        boolean drive = path.length() > 1 && path.charAt(1) == ':';
        if (path.startsWith("/") || drive || path.indexOf('\0') >= 0 || ("/" + path + "/").contains("/../")) {
            throw new BrokenManifestException(
                    "the archive's entry '" + Texts.quoted(name) + "' points outside of the archive");
        }
    }

    /// Whether the entry is an archive of secrets, which a claim must never open.
    static boolean isSecret(String name) {
        return name.regionMatches(true, name.length() - 8, "_keys.7z", 0, 8);
    }
}
