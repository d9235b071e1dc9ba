#version 330 core
uniform mat4 ray;  // clip space -> direction in the world
in vec2 corner;
out vec3 direction;

void main() {
    direction = (ray * vec4(corner, 1.0, 1.0)).xyz;
    gl_Position = vec4(corner, 1.0, 1.0);
}
