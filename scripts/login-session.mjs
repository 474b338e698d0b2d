// A session of the real client against two instances: register, log in, whoami,
// profile, tokens, logout. The same for every backend, and for the oracle.
//
//   node scripts/login-session.mjs [--pnpm PROGRAM] [--user NAME] [--late SECONDS] [--oracle] URL [URL]
//
// --late: within how many seconds the other instance forgets a revoked token.
// --oracle: leave out what `@pnpm/pnpr` does not have (making tokens).
// --pnpm: pnpm for what it can do by itself; it asks on a terminal only, so
// `script` gives it one.
// Each URL may be the same; then one instance is tested. Prints one line for each
// step and `N passed, N failed`. Exit 1 when a step failed.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pnpm: { type: 'string' },
    user: { type: 'string', default: 'alice' },
    late: { type: 'string', default: '0' },
    oracle: { type: 'boolean', default: false },
  },
})
const here = positionals[0]
const there = positionals[1] ?? here
if (here === undefined) throw new Error('name the URL of an instance')
const password = 'Correct-horse-7'
const late = Number(options.late) * 1000
const folder = mkdtempSync(join(tmpdir(), 'login-session-'))
let passed = 0
let failed = 0

// Runs a client. `answers`: pairs of a prompt and what is typed then, in order.
function client(program, args, { home, registry, answers = [], token }) {
  const env = {
    PATH: process.env.PATH,
    TERM: 'dumb',
    HOME: join(folder, home),
    npm_config_userconfig: join(folder, `${home}.npmrc`),
    npm_config_cache: join(folder, 'cache'),
    npm_config_update_notifier: 'false',
    npm_config_fetch_retries: '0',
    npm_config_registry: registry,
  }
  if (token !== undefined) env[`npm_config_//${new URL(registry).host}/:_authToken`] = token
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, cwd: folder, stdio: 'pipe' })
    const left = [...answers]
    let out = ''
    let err = ''
    let read = 0
    let last
    const type = () => child.stdin.write(`${last}${program === 'script' ? '\r' : '\n'}`)
    const look = () => {
      if (left.length === 0) return
      const at = out.toLowerCase().indexOf(left[0][0], read)
      if (at < 0) return
      read = at + left[0][0].length
      last = left.shift()[1]
      type()
    }
    // pnpm asks before it has set its terminal up, which drops what came too soon.
    const again = program === 'script' ? setInterval(() => last !== undefined && type(), 3000) : undefined
    child.stdin.on('error', () => {})
    child.stdout.on('data', (data) => { out += data; look() })
    child.stderr.on('data', (data) => { err += data })
    const limit = setTimeout(() => child.kill('SIGKILL'), 60_000)
    child.on('error', (error) => { clearInterval(again); resolve({ code: -1, out, err: String(error) }) })
    child.on('close', (code) => { clearTimeout(limit); clearInterval(again); resolve({ code, out: out.trim(), err }) })
  })
}

const typed = (word) => [['username:', options.user], ['password:', word], ['email', 'a@example.com']]
const npm = (args, more) => client('npm', args, more)
const pnpm = (args, more) =>
  more.answers === undefined
    ? client(options.pnpm, args, more)
    : client('script', ['-qec', [options.pnpm, ...args].join(' '), '/dev/null'], more)

function step(name, good, seen) {
  if (good) {
    passed += 1
    console.log(`ok      ${name}`)
  } else {
    failed += 1
    console.log(`FAILED  ${name}: ${JSON.stringify(seen)}`)
  }
}

const exits = (name, result, code = 0) => step(name, result.code === code, result)
const says = (name, result, text) => step(name, result.code === 0 && result.out === text, result)
const refuses = (name, result, text) =>
  step(name, result.code > 0 && `${result.out}${result.err}`.includes(text), result)

function parsed(result) {
  try { return JSON.parse(result.out) } catch { return {} }
}

// Looks until it is so, or the bound has passed; each look takes some 0.3 s.
async function within(milliseconds, look) {
  const end = Date.now() + milliseconds
  for (;;) {
    const started = Date.now()
    const result = await look()
    if (result.good || started > end) return result
  }
}

const unknown = async (home, registry) => {
  const result = await npm(['whoami'], { home, registry })
  return { ...result, good: result.code > 0 && result.err.includes('E401') }
}

async function withNpm() {
  const a = { home: 'a', registry: here }
  const b = { home: 'a-there', registry: there }
  exits('adduser', await npm(['adduser', '--auth-type=web'], { ...a, answers: typed(password) }))
  says('whoami here', await npm(['whoami'], a), options.user)
  exits('login there', await npm(['login', '--auth-type=legacy'], { ...b, answers: typed(password) }))
  says('whoami there', await npm(['whoami'], b), options.user)
  const wrong = { home: 'wrong', registry: there, answers: typed('wrong') }
  refuses('a wrong password is refused', await npm(['login', '--auth-type=legacy'], wrong), '401')
  const profile = await parsed(await npm(['profile', 'get', '--json'], b))
  step('profile get', profile?.name === options.user && profile?.tfa === false, profile)
  const tokens = await parsed(await npm(['token', 'list', '--json'], a))
  step('token list has the tokens of both', tokens?.length === 2, tokens)
  if (!options.oracle) {
    exits('profile set', await npm(['profile', 'set', 'fullname', 'Alice'], a))
    says('profile get there', await npm(['profile', 'get', 'fullname'], b), 'Alice')
    await made(a)
  }
  await shared()
  exits('logout', await npm(['logout'], a))
  const gone = await within(late, () => unknown('a-shared', there))
  step('the token is unknown there after logout', gone.good, gone)
  says('the other login goes on', await npm(['whoami'], b), options.user)
  exits('logout there', await npm(['logout'], b))
  refuses('whoami after logout', await npm(['whoami'], b), 'ENEEDAUTH')
}

// The token of `a`, used on the other instance.
async function shared() {
  const text = readFileSync(join(folder, 'a.npmrc'), 'utf8')
  const host = (url) => `//${new URL(url).host}/`
  writeFileSync(join(folder, 'a-shared.npmrc'), text.replaceAll(host(here), host(there)))
  const result = await npm(['whoami'], { home: 'a-shared', registry: there })
  says('the token of one instance is known on the other', result, options.user)
}

// Tokens made by hand: with a network, revoked by id and by value.
async function made(a) {
  const ask = { ...a, answers: [['password:', password]] }
  const use = (name, registry, token) => {
    writeFileSync(join(folder, `${name}.npmrc`), `//${new URL(registry).host}/:_authToken=${token}\n`)
    return npm(['whoami'], { home: name, registry })
  }
  const create = async (...args) => {
    const result = await npm(['token', 'create', '--json', ...args], ask)
    const at = result.out.indexOf('{')
    return parsed({ out: at < 0 ? '' : result.out.slice(at) })
  }
  const token = await create('--cidr=127.0.0.0/8')
  step('token create', token.token?.length > 20 && token.cidr_whitelist?.[0] === '127.0.0.0/8', token)
  says('it works there', await use('made', there, token.token), options.user)
  const far = await create('--cidr=192.0.2.0/24')
  refuses('a token for another network is refused', await use('far', here, far.token), 'EAUTHIP')
  const listed = await parsed(await npm(['token', 'list', '--json'], a))
  step('token list has the new ones', listed?.length === 4, listed)
  const mine = (one) => String(token.token).startsWith(one.token)
  const id = (Array.isArray(listed) ? listed.find(mine)?.key : undefined) ?? 'none'
  exits('token revoke by id', await npm(['token', 'revoke', id], a))
  const gone = await within(late, () => unknown('made', there))
  step('it is unknown there', gone.good, gone)
  exits('token revoke by value', await npm(['token', 'revoke', far.token ?? 'none'], a))
  const rest = await parsed(await npm(['token', 'list', '--json'], a))
  step('token list has the first two', rest?.length === 2, rest)
}

async function withPnpm() {
  const a = { home: 'p', registry: here }
  const at = ['--registry', here]
  const answers = [['username::', options.user], ['password::', password], ['public)::', 'a@example.com']]
  exits('pnpm login registers', await pnpm(['login', ...at], { ...a, answers }))
  says('pnpm whoami', await pnpm(['whoami', ...at], a), options.user)
  const wrong = answers.map(([ask, say]) => [ask, say === password ? 'wrong' : say])
  refuses('pnpm login with a wrong password', await pnpm(['login', ...at], { home: 'w', registry: here, answers: wrong }), '401')
  const profile = await pnpm(['profile', 'get', ...at], a)
  step('pnpm profile get', profile.out.includes(`name: ${options.user}`), profile)
  const list = await pnpm(['token', 'list', ...at], a)
  step('pnpm token list', list.code === 0 && list.out.includes(' with id '), list)
  exits('pnpm login there', await pnpm(['login', '--registry', there], { home: 'q', registry: there, answers }))
  exits('pnpm logout', await pnpm(['logout', ...at], a))
  refuses('pnpm whoami after logout', await pnpm(['whoami', ...at], a), 'logged in')
  says('pnpm whoami there', await pnpm(['whoami', '--registry', there], { home: 'q', registry: there }), options.user)
}

try {
  await (options.pnpm === undefined ? withNpm() : withPnpm())
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
