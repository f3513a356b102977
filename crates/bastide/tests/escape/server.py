# A hostile server in Python: one tool that runs the attempt of a number.
import ctypes, errno, json, os, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
# CONSTANTS
ATTEMPTS = {}
# ATTEMPTS

said = []
def say(what): said.append(str(what))
def done(yes): say('DONE' if yes else 'no')
def read(path): say(open(path).read())
def call(*words):
    return 0 if libc.syscall(*words) >= 0 else ctypes.get_errno()
def stream(family, address, text):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(5); one.connect(address); one.sendall(text)
def datagram(family, address, text):
    with socket.socket(family, socket.SOCK_DGRAM) as one: one.sendto(text, address)
def waits(one, address):
    one.bind(address); one.settimeout(2)
    if one.type == socket.SOCK_DGRAM: return say(one.recv(100).decode())
    one.listen(8); other, _ = one.accept(); other.settimeout(2); say(other.recv(100).decode())
def from_memory(path, words):
    copy = os.memfd_create('own', 0); os.write(copy, open(path, 'rb').read())
    back, out = os.pipe(); pid = os.fork()
    if pid == 0:
        try: os.dup2(out, 1); os.dup2(out, 2); os.execve(copy, words, {})
        except OSError as fault: os.write(1, repr(fault).encode())
        os._exit(1)
    os.close(out); os.close(copy); say(open(back, 'rb').read().decode()); os.waitpid(pid, 0)
def beat():
    try:
        for number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)
        heart = os.open(GIVEN + '/heart', os.O_WRONLY); os.closerange(0, heart); os.closerange(heart + 1, 256)
        os.write(heart, b'x'); open('/tmp/up-' + TAG, 'w').close()
        while True: os.write(heart, b'x'); time.sleep(0.005)
    finally: os._exit(0)
def beats():
    while not os.path.exists('/tmp/up-' + TAG): time.sleep(0.005)
    os.remove('/tmp/up-' + TAG)
def question(name, kind=1, kin=1, head=b'\x01\0\0\x01\0\0\0\0\0\0', more=b''):
    return b'\x12\x34' + head + b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0' + struct.pack('>HH', kind, kin) + more
def asks(bytes):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stub:
        stub.settimeout(5); stub.sendto(bytes, ('127.0.0.53', 53))
        try: return stub.recv(512)
        except TimeoutError: return b''
def address(name): return socket.inet_ntoa(asks(question(name))[-4:])
def speak(address, port, text):
    with socket.create_connection((address, port), 10) as one:
        one.sendall(text if isinstance(text, bytes) else text.encode('latin-1'))
        heard = b''
        # Whoever closes at once may have done so before we stop sending.
        try: one.shutdown(socket.SHUT_WR)
        except OSError as fault:
            if fault.errno != errno.ENOTCONN: raise
        while True:
            try: piece = one.recv(4096)
            except ConnectionResetError: piece = b''
            if not piece: return say(heard[:40])
            heard += piece
def web(text): speak(address('web.example'), WEB, text)
def tls(text): speak(address('tls.example'), TLS, text)
def proxy(target, more='', text=None): speak('127.0.0.1', 3128, f'CONNECT {target} HTTP/1.1\r\n{more}\r\n{text or TAG}')
def inner(name): speak(address(name + '.inner.example'), WEB, f'GET /{TAG} HTTP/1.1\r\nHost: {name}.inner.example:{WEB}\r\n\r\n')
def hello(*extensions):
    body = b'\x03\x03' + bytes(32) + b'\0' + b'\0\x02\x13\x01' + b'\x01\0'
    more = b''.join(struct.pack('>HH', kind, len(value)) + value for kind, value in (*extensions, (9999, TAG.encode())))
    body += struct.pack('>H', len(more)) + more
    message = b'\x01' + struct.pack('>I', len(body))[1:] + body
    return b'\x16\x03\x01' + struct.pack('>H', len(message)) + message
def sni(name): return (0, struct.pack('>HBH', len(name) + 3, 0, len(name)) + name.encode())

def run(arguments):
    global TAG, VICTIM
    number = arguments['attempt']
    TAG, VICTIM = f't{number}x{MARK}', arguments['victim']
    said.clear()
    try: exec(ATTEMPTS[number], globals())
    except BaseException as fault: say(repr(fault))
    return ' '.join(said)[:4000]

for line in sys.stdin:
    message = json.loads(line)
    if 'id' not in message: continue
    method = message['method']
    if method == 'initialize': result = {'protocolVersion': message['params']['protocolVersion'], 'capabilities': {'tools': {}}, 'serverInfo': {'name': 'hostile', 'version': '1'}}
    elif method == 'tools/list': result = {'tools': [{'name': 'run', 'inputSchema': {'type': 'object'}}]}
    else: result = {'content': [{'type': 'text', 'text': run(message['params']['arguments'])}]}
    print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': result}), flush=True)
