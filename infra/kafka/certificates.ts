/**
 * Certificates for a broker on 127.0.0.1, made without any tool: an authority of its own, and what it signed. For tests:
 * the private key of the authority is thrown away. X.509 v3 (RFC 5280) in DER, elliptic keys (P-256).
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** All in PEM. */
export interface Certificates {
  readonly authority: string
  readonly server: Identity
  /** Of a client, for listeners that ask for one. */
  readonly client: Identity
}

interface Identity {
  readonly certificate: string
  /** PKCS #8, without a password. */
  readonly key: string
}

/** The server's certificate is for 127.0.0.1 and localhost. */
export function newCertificates(): Certificates {
  const authority = newKeys()
  const issuer = { name: nameOf('Weaklink test authority'), key: authority.privateKey }
  const identity = (name: string, extensions: readonly Buffer[]): Identity => {
    const { publicKey, privateKey } = newKeys()
    return {
      certificate: certificate(nameOf(name), publicKey, issuer, extensions),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }
  return {
    authority: certificate(issuer.name, authority.publicKey, issuer, [IS_AUTHORITY]),
    server: identity('localhost', [IS_LOCALHOST]),
    client: identity('client', []),
  }
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

interface Issuer {
  readonly name: Buffer
  readonly key: KeyObject
}

function certificate(subject: Buffer, key: KeyObject, issuer: Issuer, extensions: readonly Buffer[]): string {
  const now = Date.now()
  const toBeSigned = sequence(
    explicit(0, der(INTEGER, Buffer.from([2]))),
    // A positive number: the first bit is not set.
    der(INTEGER, Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    issuer.name,
    // Yesterday until next year: the clocks of two machines may differ.
    sequence(time(now - DAY_MS), time(now + 365 * DAY_MS)),
    subject,
    key.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [explicit(3, sequence(...extensions))]),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, issuer.key)])
  const base64 = sequence(toBeSigned, ECDSA_WITH_SHA256, der(BIT_STRING, signature)).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`
}

const DAY_MS = 86_400_000
const [BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID] = [1, 2, 3, 4, 6] as const
const [UTF8_STRING, UTC_TIME, SEQUENCE, SET] = [0x0c, 0x17, 0x30, 0x31] as const

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const { length } = body
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

function sequence(...content: readonly Buffer[]): Buffer {
  return der(SEQUENCE, ...content)
}

function explicit(number: number, content: Buffer): Buffer {
  return der(0xa0 | number, content)
}

function objectId(hex: string): Buffer {
  return der(OBJECT_ID, Buffer.from(hex, 'hex'))
}

function nameOf(commonName: string): Buffer {
  return sequence(der(SET, sequence(objectId('550403'), der(UTF8_STRING, Buffer.from(commonName)))))
}

/** With two digits of the year, as it has to be until 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+|[-:T]/g, '')
  return der(UTC_TIME, Buffer.from(digits.slice(2)))
}

const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'))
const TRUE = der(BOOLEAN, Buffer.from([0xff]))
/** basicConstraints, critical. */
const IS_AUTHORITY = sequence(objectId('551d13'), TRUE, der(OCTET_STRING, sequence(TRUE)))
/** subjectAltName: a name (2) and an address (7). */
const IS_LOCALHOST = sequence(
  objectId('551d11'),
  der(OCTET_STRING, sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))),
)
