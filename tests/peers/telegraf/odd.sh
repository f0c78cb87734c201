# Lines that machines rarely send: ends of the number ranges, escapes, texts of several lines, other scripts.
now=$(date +%s)
cat <<'LINES'
odd,kind=floats a=0,b=-0,c=0.1,d=1e300,e=5e-324,f=-1.7976931348623157e308,g=123456789012345680
odd,kind=integers a=0i,b=-1i,c=9223372036854775807i,d=-9223372036854775808i,e=9007199254740993i
odd,kind=unsigned a=0u,b=18446744073709551615u,c=9223372036854775808u
odd,kind=truths a=true,b=false
odd,kind=texts a="",b=" ",c="\"quoted\" and \\ back\\slashed\\",d="a,b=c d",e="温度 ℃ 🌡",f="two
lines, f=1 2"
odd\ one\,\ two,a\ tag\,\ with\=all=a\,b\ c\=d,温度=3号 a\ field\,\ with\=all=1,"quoted"=2i
odd,ip=10.0.0.7,path=/var/lib/x a=1
odd,ip=10.0.0.7,path=/var/lib_x a=2
odd,dir=C:\Temp\new a=3,b="C:\\Temp\\new"
LINES
on=$([ $((now % 2)) = 0 ] && echo true || echo false)
echo "odd,kind=changing text=\"now $now\",on=$on,whole=${now}i,natural=${now}u,number=$now.5"
# A series that lives for a minute: points are made all along.
echo "odd,kind=short,minute=$((now / 60)) a=$now"
