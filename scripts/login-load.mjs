// Many clients register, log in, look up and revoke at once, on all instances.
//
//   node scripts/login-load.mjs [--clients N] [--seconds N] [--late N] [--max-users N]
//     [--kill COMMAND --start COMMAND [--dies URL]] [--count COMMAND] URL [URL]
//
// --late: within how many seconds another instance forgets a revoked token.
// --max-users: what the instances are configured with.
// --kill, --start: shell commands that end the database in mid-load as a crash
// would, and start it again; in between at least one request must be refused, and
// afterwards every instance must log in again by itself.
// --dies: it is this instance that they end and start; it gives no answers meanwhile.
// --count: a shell command that prints how many users the database has at the end.
// A database that is away meanwhile is no failure: 503 is an answer. What was
// acknowledged must hold when it is back. Prints what was seen as one line of
// JSON, then `N passed, N failed`. Exit 1 when a rule was broken.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values: options, positionals: instances } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '30' },
    late: { type: 'string', default: '0' },
    'max-users': { type: 'string', default: '100' },
    kill: { type: 'string' },
    start: { type: 'string' },
    dies: { type: 'string' },
    count: { type: 'string' },
  },
})
const late = Number(options.late) * 1000
const most = Number(options['max-users'])
const third = Number(options.seconds) * 1000 / 3
let end = Date.now() + 3 * third
const seen = { registered: 0, full: 0, logins: 0, lookups: 0, revoked: 0, forgotten: 0, refused: {}, took: 0 }
const broken = { 'no answer outside the protocol': [], 'no revoked token accepted': [],
  'no user lost': [], 'no token lost': [], 'no revocation lost': [], 'max_users never passed': [],
  'no right password called wrong': [],
  'enough was tried': [] }
if (options.kill) broken['service resumes by itself'] = []
const users = []
const revoked = []
const held = []
// The outage: when it began and ended, and what was refused meanwhile.
let away = false
let refusedMeanwhile = 0
const any = (list) => list[Math.floor(Math.random() * list.length)]

function addressOf(name = '') {
  const hash = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 16777213, 7)
  return `10.${hash >> 16}.${(hash >> 8) & 255}.${hash & 255}`
}

async function ask(instance, method, path, { token, body } = {}) {
  const mayDie = instance === options.dies
  const beganAway = away
  // An address for each name: the service counts failures by address. It believes this
  // header with `trustedProxies: [127.0.0.1]`.
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': addressOf(body?.name) }
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const response = await fetch(new URL(path, instance), {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000),
    })
    const json = await response.json()
    if (response.status === 503 && away) refusedMeanwhile += 1
    if (response.status >= 400) {
      const name = `${response.status} ${json.code}`
      seen.refused[name] = (seen.refused[name] ?? 0) + 1
      if (!json.error || !json.code) broken['no answer outside the protocol'].push(name)
      if (response.status === 500) broken['no answer outside the protocol'].push(name)
      // All passwords here are right. Unknown tokens have a limit of their own.
      if (method === 'PUT' && [401, 429].includes(response.status) && users.includes(body.name)) {
        broken['no right password called wrong'].push(name)
      }
      const retry = response.headers.get('retry-after')
      if ([429, 503].includes(response.status) && !retry) {
        broken['no answer outside the protocol'].push(`${name} without Retry-After`)
      }
    }
    return { status: response.status, json }
  } catch (error) {
    // Cut off by its end, or refused until its start.
    if (mayDie && (away || beganAway)) {
      refusedMeanwhile += 1
      seen.refused['no instance'] = (seen.refused['no instance'] ?? 0) + 1
      return { status: 0, json: {} }
    }
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
    } else if (login.status === 401) {
      // Full: said as of a wrong password, so that no names can be listed.
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
  if (status === 401) seen.forgotten += 1
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

// Runs a shell command to its end; what it says goes to stderr.
function shell(command) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (text) => { out += text })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`${command}: exit ${code}`))))
  })
}

const moment = (at) => new Promise((resolve) => { setTimeout(resolve, Math.max(0, at - Date.now())) })

// In mid-load: the database, or an instance, is killed, missed, and started again.
async function outage() {
  await moment(end - 2 * third)
  const rule = broken['service resumes by itself']
  away = true
  // However long it takes, the load goes on.
  end = Infinity
  const killed = Date.now()
  try {
    await shell(options.kill)
    while (refusedMeanwhile === 0 && Date.now() < killed + 20_000) {
      await put(any(instances), any(users) ?? 'nobody-yet')
    }
    if (refusedMeanwhile === 0) rule.push('nothing was refused: was anything killed?')
    await shell(options.start)
  } catch (error) {
    rule.push(String(error))
  }
  away = false
  const started = Date.now()
  for (const instance of instances) {
    const { status } = await settled(() => put(instance, any(users) ?? 'nobody-yet'))
    if (status !== 201) rule.push(`${status} of ${instance}`)
  }
  seen.away = started - killed
  seen.resumed = Date.now() - started
  // The last third is on what is there again.
  end = Date.now() + third
}

async function inTurns(list, work) {
  const rest = [...list]
  const turn = async () => { while (rest.length > 0) await work(rest.pop()) }
  await Promise.all(Array.from({ length: 8 }, turn))
}

const started = Date.now()
const clients = Array.from({ length: Number(options.clients) }, (_, number) => client(number))
await Promise.all(options.kill ? [...clients, outage()] : clients)
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
if (options.count) {
  // With those whose acknowledgement an outage has cut off. Who is refused for the
  // number is refused because it is reached, so without refusals nothing was tried.
  seen.users = Number(await shell(options.count))
  if (seen.users !== most) broken['max_users never passed'].push(`${seen.users} in the database`)
  if (seen.full === 0) broken['enough was tried'].push('nobody was one too many')
}
for (const what of ['registered', 'logins', 'revoked', 'forgotten']) {
  if (seen[what] === 0) broken['enough was tried'].push(`no ${what}`)
}
seen.took = Date.now() - started
console.log(JSON.stringify(seen))
let failed = 0
for (const [rule, cases] of Object.entries(broken)) {
  failed += cases.length > 0
  console.log(cases.length > 0 ? `FAILED  ${rule}: ${cases.length}, as ${cases[0]}` : `ok      ${rule}`)
}
console.log(`${Object.keys(broken).length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
