// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Verification as other verifiers' clients speak it: challenge-response sessions, the submission of
/// endorsements, discovery, and the forms of results.
@NullMarked
package dev.tegata.server.verify;

import org.jspecify.annotations.NullMarked;
