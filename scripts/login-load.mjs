// Many clients register, log in, look up and revoke at once, on all instances.
//
//   node scripts/login-load.mjs [--clients N] [--seconds N] [--late N] [--max-users N] URL [URL]
//
// --late: within how many seconds another instance forgets a revoked token.
// --max-users: what the instances are configured with.
// A database that is away meanwhile is no failure: 503 is an answer. What was
// acknowledged must hold when it is back. Prints what was seen as one line of
// JSON, then `N passed, N failed`. Exit 1 when a rule was broken.
import { parseArgs } from 'node:util'

const { values: options, positionals: instances } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '30' },
    late: { type: 'string', default: '0' },
    'max-users': { type: 'string', default: '100' },
  },
})
const late = Number(options.late) * 1000
const most = Number(options['max-users'])
const end = Date.now() + Number(options.seconds) * 1000
const seen = { registered: 0, full: 0, logins: 0, lookups: 0, revoked: 0, refused: {}, took: 0 }
const broken = { 'no answer outside the protocol': [], 'no revoked token accepted': [],
  'no user lost': [], 'no token lost': [], 'no revocation lost': [], 'max_users never passed': [] }
const users = []
const revoked = []
const held = []
const any = (list) => list[Math.floor(Math.random() * list.length)]

async function ask(instance, method, path, { token, body } = {}) {
  const headers = { 'content-type': 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const response = await fetch(new URL(path, instance), {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000),
    })
    const json = await response.json()
    if (response.status >= 400) {
      const name = `${response.status} ${json.code}`
      seen.refused[name] = (seen.refused[name] ?? 0) + 1
      if (!json.error || !json.code) broken['no answer outside the protocol'].push(name)
      if (response.status === 500) broken['no answer outside the protocol'].push(name)
      const retry = response.headers.get('retry-after')
      if ([429, 503].includes(response.status) && !retry) {
        broken['no answer outside the protocol'].push(`${name} without Retry-After`)
      }
    }
    return { status: response.status, json }
  } catch (error) {
    broken['no answer outside the protocol'].push(String(error.cause ?? error))
    return { status: 0, json: {} }
  }
}

const put = (instance, name) => ask(instance, 'PUT', `/-/user/org.couchdb.user:${name}`,
  { body: { name, password: `password-of-${name}`, type: 'user' } })
const whoami = (instance, token) => ask(instance, 'GET', '/-/whoami', { token })

async function client(number) {
  for (let round = 0; Date.now() < end; round += 1) {
    const here = any(instances)
    const there = any(instances.filter((one) => one !== here)) ?? here
    // Half of the clients go for the same name at once: one of them gets it.
    const name = number % 2 ? `u${number}-${round}` : `shared-${round}`
    let user = name
    let login = await put(here, name)
    if (login.status === 201) {
      if (login.json.ok?.endsWith('created')) {
        seen.registered += 1
        users.push(name)
      }
    } else if (login.status === 403) {
      seen.full += 1
      user = any(users)
      if (user === undefined) continue
      login = await put(here, user)
    }
    if (login.status !== 201) continue
    seen.logins += 1
    const token = login.json.token
    for (const instance of [here, there]) {
      const answer = await whoami(instance, token)
      seen.lookups += 1
      if (answer.status === 401 || (answer.status === 200 && answer.json.username !== user)) {
        broken['no token lost'].push(`${user}: ${answer.status} at once`)
      }
    }
    if (round % 3 === 2) {
      held.push({ user, token })
      continue
    }
    const gone = await ask(here, 'DELETE', `/-/user/token/${token}`, { token })
    const at = Date.now()
    if (gone.status !== 200) continue
    seen.revoked += 1
    revoked.push({ token, at })
    await mustBeUnknown(here, token, 0, at)
    await mustBeUnknown(there, token, late, at)
    // One of some time ago.
    const old = any(revoked)
    await mustBeUnknown(there, old.token, late, old.at)
  }
}

// A look that begins after the bound must not find it.
async function mustBeUnknown(instance, token, bound, since) {
  const began = Date.now()
  const { status } = await whoami(instance, token)
  seen.lookups += 1
  if (status === 200 && began > since + bound) {
    broken['no revoked token accepted'].push(`${began - since} ms after`)
  }
}

// What was acknowledged, once the database is back: asked until it is answered.
async function settled(call) {
  const limit = Date.now() + 60_000
  for (;;) {
    const answer = await call()
    if (![0, 429, 503].includes(answer.status) || Date.now() > limit) return answer
  }
}

async function inTurns(list, work) {
  const rest = [...list]
  const turn = async () => { while (rest.length > 0) await work(rest.pop()) }
  await Promise.all(Array.from({ length: 8 }, turn))
}

const started = Date.now()
await Promise.all(Array.from({ length: Number(options.clients) }, (_, number) => client(number)))
const lastRevoked = Math.max(0, ...revoked.map(({ at }) => at))
await inTurns(users, async (name) => {
  const { status } = await settled(() => put(any(instances), name))
  if (status !== 201) broken['no user lost'].push(`${name}: ${status}`)
})
await inTurns(held, async ({ user, token }) => {
  for (const instance of instances) {
    const { status } = await settled(() => whoami(instance, token))
    if (status !== 200) broken['no token lost'].push(`${user}: ${status}`)
  }
})
await inTurns(revoked, async ({ token }) => {
  for (const instance of instances) {
    const look = () => whoami(instance, token)
    let answer = await settled(look)
    while (answer.status === 200 && Date.now() < lastRevoked + late) answer = await settled(look)
    if (answer.status !== 401) broken['no revocation lost'].push(`${answer.status}`)
  }
})
if (new Set(users).size !== users.length) broken['no user lost'].push('two registered one name')
if (users.length > most) broken['max_users never passed'].push(`${users.length}`)
seen.took = Date.now() - started
console.log(JSON.stringify(seen))
let failed = 0
for (const [rule, cases] of Object.entries(broken)) {
  failed += cases.length > 0
  console.log(cases.length > 0 ? `FAILED  ${rule}: ${cases.length}, as ${cases[0]}` : `ok      ${rule}`)
}
console.log(`${Object.keys(broken).length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
