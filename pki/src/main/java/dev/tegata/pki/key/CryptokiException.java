// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/// A function of a PKCS#11 module returned something other than CKR_OK.
final class CryptokiException extends Exception {
    static final long GENERAL_ERROR = 0x05;
    static final long DEVICE_ERROR = 0x30;
    static final long DEVICE_REMOVED = 0x32;
    static final long KEY_HANDLE_INVALID = 0x60;
    static final long OBJECT_HANDLE_INVALID = 0x82;
    static final long SESSION_CLOSED = 0xb0;
    static final long SESSION_HANDLE_INVALID = 0xb3;
    static final long TOKEN_NOT_PRESENT = 0xe0;
    static final long USER_ALREADY_LOGGED_IN = 0x100;
    static final long USER_NOT_LOGGED_IN = 0x101;
    static final long CRYPTOKI_NOT_INITIALIZED = 0x190;
    static final long CRYPTOKI_ALREADY_INITIALIZED = 0x191;

    static final long DEVICE_MEMORY = 0x31;
    static final long MECHANISM_INVALID = 0x70;
    static final long KEY_UNEXTRACTABLE = 0x6a;

    /// What a token answers to a PIN that will not become right by trying it again (PIN_INCORRECT,
    /// PIN_INVALID, PIN_LEN_RANGE, PIN_EXPIRED, PIN_LOCKED).
    static final Set<Long> REFUSED_PINS = Set.of(0xa0L, 0xa1L, 0xa2L, 0xa3L, 0xa4L);

    /// Of them those that are about the PIN itself, and not about the state of the token.
    static final Set<Long> WRONG_PINS = Set.of(0xa0L, 0xa1L, 0xa2L);

    private static final long serialVersionUID = 1L;
    private static final long VENDOR_DEFINED = 0x8000_0000L;

    /// PKCS#11 v2.40 §5.1: return values by number.
    private static final Map<Long, String> NAMES = names("""
            01 CANCEL 02 HOST_MEMORY 03 SLOT_ID_INVALID 05 GENERAL_ERROR 06 FUNCTION_FAILED 07 ARGUMENTS_BAD
            08 NO_EVENT 09 NEED_TO_CREATE_THREADS 0a CANT_LOCK 10 ATTRIBUTE_READ_ONLY 11 ATTRIBUTE_SENSITIVE
            12 ATTRIBUTE_TYPE_INVALID 13 ATTRIBUTE_VALUE_INVALID 1b ACTION_PROHIBITED 20 DATA_INVALID
            21 DATA_LEN_RANGE 30 DEVICE_ERROR 31 DEVICE_MEMORY 32 DEVICE_REMOVED 40 ENCRYPTED_DATA_INVALID
            41 ENCRYPTED_DATA_LEN_RANGE 50 FUNCTION_CANCELED 51 FUNCTION_NOT_PARALLEL 54 FUNCTION_NOT_SUPPORTED
            60 KEY_HANDLE_INVALID 62 KEY_SIZE_RANGE 63 KEY_TYPE_INCONSISTENT 64 KEY_NOT_NEEDED 65 KEY_CHANGED
            66 KEY_NEEDED 67 KEY_INDIGESTIBLE 68 KEY_FUNCTION_NOT_PERMITTED 69 KEY_NOT_WRAPPABLE
            6a KEY_UNEXTRACTABLE 70 MECHANISM_INVALID 71 MECHANISM_PARAM_INVALID 82 OBJECT_HANDLE_INVALID
            90 OPERATION_ACTIVE 91 OPERATION_NOT_INITIALIZED a0 PIN_INCORRECT a1 PIN_INVALID a2 PIN_LEN_RANGE
            a3 PIN_EXPIRED a4 PIN_LOCKED b0 SESSION_CLOSED b1 SESSION_COUNT b3 SESSION_HANDLE_INVALID
            b4 SESSION_PARALLEL_NOT_SUPPORTED b5 SESSION_READ_ONLY b6 SESSION_EXISTS b7 SESSION_READ_ONLY_EXISTS
            b8 SESSION_READ_WRITE_SO_EXISTS c0 SIGNATURE_INVALID c1 SIGNATURE_LEN_RANGE d0 TEMPLATE_INCOMPLETE
            d1 TEMPLATE_INCONSISTENT e0 TOKEN_NOT_PRESENT e1 TOKEN_NOT_RECOGNIZED e2 TOKEN_WRITE_PROTECTED
            f0 UNWRAPPING_KEY_HANDLE_INVALID f1 UNWRAPPING_KEY_SIZE_RANGE f2 UNWRAPPING_KEY_TYPE_INCONSISTENT
            100 USER_ALREADY_LOGGED_IN 101 USER_NOT_LOGGED_IN 102 USER_PIN_NOT_INITIALIZED 103 USER_TYPE_INVALID
            104 USER_ANOTHER_ALREADY_LOGGED_IN 105 USER_TOO_MANY_TYPES 110 WRAPPED_KEY_INVALID
            112 WRAPPED_KEY_LEN_RANGE 113 WRAPPING_KEY_HANDLE_INVALID 114 WRAPPING_KEY_SIZE_RANGE
            115 WRAPPING_KEY_TYPE_INCONSISTENT 120 RANDOM_SEED_NOT_SUPPORTED 121 RANDOM_NO_RNG
            130 DOMAIN_PARAMS_INVALID 140 CURVE_NOT_SUPPORTED 150 BUFFER_TOO_SMALL 160 SAVED_STATE_INVALID
            170 INFORMATION_SENSITIVE 180 STATE_UNSAVEABLE 190 CRYPTOKI_NOT_INITIALIZED
            191 CRYPTOKI_ALREADY_INITIALIZED 1a0 MUTEX_BAD 1a1 MUTEX_NOT_LOCKED 1b0 NEW_PIN_MODE 1b1 NEXT_OTP
            1c0 EXCEEDED_MAX_ITERATIONS 1c1 FIPS_SELF_TEST_FAILED 1c2 LIBRARY_LOAD_FAILED 1c3 PIN_TOO_WEAK
            1c4 PUBLIC_KEY_INVALID 200 FUNCTION_REJECTED""");

    /// What a lost connection, a lost login, or an object that another process removed looks like.
    private static final Set<Long> STALE = Set.of(
            DEVICE_ERROR,
            DEVICE_REMOVED,
            KEY_HANDLE_INVALID,
            OBJECT_HANDLE_INVALID,
            SESSION_CLOSED,
            SESSION_HANDLE_INVALID,
            TOKEN_NOT_PRESENT,
            USER_NOT_LOGGED_IN,
            CRYPTOKI_NOT_INITIALIZED);

    private static final Set<Long> LOST = Set.of(
            DEVICE_ERROR,
            DEVICE_REMOVED,
            SESSION_CLOSED,
            SESSION_HANDLE_INVALID,
            TOKEN_NOT_PRESENT,
            CRYPTOKI_NOT_INITIALIZED);

    /// What may pass by itself: besides the lost connections, a module or a device that is out of memory or
    /// sessions (HOST_MEMORY, GENERAL_ERROR, FUNCTION_FAILED, FUNCTION_CANCELED, SESSION_COUNT). A full
    /// token does not.
    private static final Set<Long> PASSING = Set.of(0x02L, 0x05L, 0x06L, 0x50L, 0xb1L);

    private final long code;

    CryptokiException(String function, long code) {
        super("the PKCS#11 module answered " + name(code) + " to " + function);
        this.code = code;
    }

    private CryptokiException(long code, String message) {
        super(message);
        this.code = code;
    }

    /// A token that was there is there no more.
    static CryptokiException noToken(String label) {
        return new CryptokiException(TOKEN_NOT_PRESENT, "there is no token called '" + label + "'");
    }

    private static Map<Long, String> names(String table) {
        Map<Long, String> names = new HashMap<>();
        String[] words = table.split("\\s+");
        for (int i = 0; i < words.length; i += 2) {
            names.put(Long.parseLong(words[i], 16), "CKR_" + words[i + 1]);
        }
        return names;
    }

    static String name(long code) {
        String name = NAMES.get(code);
        if (name != null) {
            return name;
        }
        return Long.compareUnsigned(code, VENDOR_DEFINED) >= 0
                ? "vendor-defined error 0x" + Long.toHexString(code)
                : "unknown error 0x" + Long.toHexString(code);
    }

    long code() {
        return code;
    }

    /// Whether the same call may succeed at once in a new session, with objects looked up again.
    boolean stale() {
        return STALE.contains(code);
    }

    VaultException asVaultException(String doing) {
        String advice = advice(code);
        return new VaultException(
                doing + " failed: " + getMessage() + (advice.isEmpty() ? "" : ": " + advice),
                stale() || PASSING.contains(code),
                this);
    }

    /// What an operator can do about a return value; empty where the name says it all.
    static String advice(long code) {
        return switch ((int) code) {
            case 0x02 -> "this machine is short of memory";
            case 0x03 -> "the slot is gone; compare the slots that 'tegata vault check' shows";
            case 0x05, 0x06 -> "see the log of the HSM or of its client software";
            case 0x0a, 0x09 -> "the module cannot be used by several threads: set pkcs11-sessions to 1";
            case 0x10, 0x1b -> "a policy of the token forbids it";
            case 0x12, 0x13, 0xd0, 0xd1 ->
                "the token's policy does not take the attributes that keys are made with: sensitive, not extractable";
            case 0x30, 0x32, 0xe0, 0xe1 -> "check the HSM, its power, its network and its client's service";
            case 0x31 -> "the token is full: remove keys that are not used, or give it more room; nothing was kept";
            case 0x54, 0x70 ->
                "the token does not do this; 'tegata vault check' shows its mechanisms: choose another key algorithm";
            case 0x62 -> "the token does not make keys of this size";
            case 0x68 -> "the key was not made for this use";
            case 0x6a, 0x69 -> "the token lets the key go nowhere, not even wrapped";
            case 0x140, 0x130 -> "the token does not know this curve: choose another key algorithm";
            case 0xa0, 0xa1, 0xa2 -> "correct the PIN in the secret file, then restart; it is not tried again";
            case 0xa3 -> "the PIN has expired: set a new one by the HSM's own tool, then restart";
            case 0xa4 -> "the PIN is locked: the security officer must unlock it by the HSM's own tool";
            case 0xb1 -> "the token has no session left: lower pkcs11-sessions, or end other programs that use it";
            case 0xb5, 0xe2 -> "the token is write-protected";
            case 0x101 -> "the token forgets its logins: end programs that log out";
            case 0x102 -> "the token's user PIN was never set: initialize it by the HSM's own tool";
            case 0x104 -> "another kind of user is logged in to the token: end that program";
            case 0x1c1 -> "the device failed its self-test: call its vendor";
            default -> "";
        };
    }

    /// Whether the module or the device is gone, so that only starting the module again can help.
    boolean lost() {
        return LOST.contains(code);
    }
}
